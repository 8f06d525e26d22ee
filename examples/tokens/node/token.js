import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { SignJWT } from 'jose';

const secret = new TextEncoder().encode(process.env.PUSHSTREAM_AUTH_SECRET);

// A token for somebody whom you have logged in: user and session are yours, never taken from the request.
export function readerToken(user, session) {
  return new SignJWT({ sid: session, pushstream: { subscribe: ['topic:news'] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('pushstream')
    .setAudience('pushstream')
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('15m')
    .setJti(randomUUID())
    .sign(secret);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await readerToken('alice', 'session-1'));
}
