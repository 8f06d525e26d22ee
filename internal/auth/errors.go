package auth

import (
	"errors"
	"fmt"
)

var (
	// ErrForbidden says that the request may not do what it asks for. Its text says why; asking again does not help.
	ErrForbidden = errors.New("forbidden")

	// ErrOrigin says: a cookie came from a page that is not trusted with it. Name the page's origin in cors.origins, or send
	// the token in a header. It is an ErrForbidden.
	ErrOrigin = fmt.Errorf("%w origin", ErrForbidden)

	// ErrNoToken says: the request has no credential where one is needed. Send one.
	ErrNoToken = errors.New("no token")

	// ErrInvalidToken says: the credential is none that counts here. Its text says what to change, as far as that is no help
	// to somebody who makes tokens up.
	ErrInvalidToken = errors.New("invalid token")

	// ErrExpired says: the token was in order, and its time is over. Come back with a new one.
	ErrExpired = errors.New("token expired")

	// ErrRefused says: the token was in order, and has been taken back. Log in again.
	ErrRefused = errors.New("token refused")

	// ErrTicket says: there is no such ticket: used before, too old, or never given. Ask for a new one.
	ErrTicket = errors.New("invalid ticket")

	// ErrKeysUnavailable says: the keys of the token's issuer cannot be fetched at present, or were fetched before this token
	// came, so that nothing is known about it. Try again later.
	ErrKeysUnavailable = errors.New("keys unavailable")
)

// invalidf returns an ErrInvalidToken that says why.
func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidToken, fmt.Sprintf(format, args...))
}
