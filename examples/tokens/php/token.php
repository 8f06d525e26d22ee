<?php

require 'vendor/autoload.php'; // composer require firebase/php-jwt

use Firebase\JWT\JWT;

/** A token for somebody whom you have logged in: user and session are yours, never taken from the request. */
function readerToken(string $user, string $session): string
{
    $now = time();
    return JWT::encode([
        'iss' => 'pushstream',
        'aud' => 'pushstream',
        'sub' => $user,
        'sid' => $session,
        'iat' => $now,
        'exp' => $now + 15 * 60,
        'jti' => bin2hex(random_bytes(16)),
        'pushstream' => ['subscribe' => ['topic:news']],
    ], getenv('PUSHSTREAM_AUTH_SECRET'), 'HS256');
}

echo readerToken('alice', 'session-1'), "\n";
