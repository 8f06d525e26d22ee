package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// What callers branch on, by errors.Is. A comment says when, and what to do.
var (
	// ErrInvalid says: what was sent is no event, or no subscription. It has to be changed.
	// It is what pkg/event says, too.
	ErrInvalid = event.ErrInvalid

	// ErrTooLarge says: an event or a request is over one of the server's limits, or an event that came is over
	// Config.BlockBytes. Make it smaller, or the limit larger.
	ErrTooLarge = errors.New("too large")

	// ErrUnauthorized says: the credential is missing, expired, or none that the server accepts. Get another one.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrForbidden says: the credential is good, but not for this.
	ErrForbidden = errors.New("forbidden")

	// ErrRateLimited says: these are more events than the server takes, and still after the last attempt. Slow down.
	ErrRateLimited = errors.New("rate limited")

	// ErrUnavailable says: the server could not be reached, or could not do it now, and still after the last attempt. What was
	// published may have been stored: publish it again with the same key.
	ErrUnavailable = errors.New("unavailable")

	// ErrRevoked says: the reader was logged out, or its token refused. Coming back with it is in vain.
	ErrRevoked = errors.New("revoked")

	// ErrEnded says: the server ended the stream and does not want it back.
	ErrEnded = errors.New("stream ended for good")

	// ErrProtocol says: what answered does not speak as PushStream does: a wrong URL, a proxy's page, a redirect (they are
	// not followed, since a credential must not reach another host), or a version that this package does not know.
	ErrProtocol = errors.New("not an answer of PushStream")

	// ErrNotSent says: an event of a batch was not sent, because one before it in the batch could not be stored, and would
	// have come after it. Publish it again, with the same key, behind the other.
	ErrNotSent = errors.New("not sent")
)

// codeRefused is the code of a 401 to a token that was refused, or to one that was issued before a logout.
const codeRefused = "token_refused"

// What this package branches on itself.
var (
	errSilent  = errors.New("nothing came in time")
	errTimeout = errors.New("no answer in time")
)

// Error is a refusal by the server. errors.Is finds the sentinel that it stands for.
type Error struct {
	// Status is the HTTP status; 0 where a stream was ended by a goodbye.
	Status int
	// Code is the problem's, or the reason of the goodbye; empty where the answer had none. Codes may be added.
	Code string
	// Detail is for people.
	Detail string
	// RetryAfter is how long the server asks to wait; 0 where it has not said so.
	RetryAfter time.Duration

	again bool // a goodbye that says when to come back
}

// Error returns what the server said.
func (e *Error) Error() string {
	what := fmt.Sprintf("status %d", e.Status)
	if e.Status == 0 {
		what = "the server ended the stream"
	}
	if e.Code != "" {
		what += " (" + e.Code + ")"
	}
	if e.Detail != "" {
		what += ": " + e.Detail
	}
	return what
}

// Is reports whether the refusal is one of a sentinel's.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized || e.Status == 0 && e.Code == byeExpired
	case ErrForbidden:
		return e.Status == http.StatusForbidden
	case ErrTooLarge:
		return e.Status == http.StatusRequestEntityTooLarge
	case ErrRateLimited:
		return e.Status == http.StatusTooManyRequests
	case ErrRevoked:
		return e.Code == byeRevoked && e.Status == 0 || e.Code == codeRefused
	case ErrEnded:
		return e.Status == http.StatusNoContent || e.Status == 0 && !e.again
	case ErrProtocol:
		return e.Status/100 == 3
	case ErrUnavailable:
		return e.Status/100 == 5 || e.Status == http.StatusRequestTimeout || e.Status == http.StatusTooEarly
	case ErrInvalid:
		return e.invalid()
	}
	return false
}

// invalid reports whether the request itself is at fault, whoever sends it and whenever.
func (e *Error) invalid() bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status/100 == 4
}

// stale reports whether a fresh credential, or ticket, may be accepted where this one was not.
func (c *Client) stale(err error) bool {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return false
	case e.Status == 0:
		return e.Code == byeExpired
	case e.Status != http.StatusUnauthorized:
		return false
	case e.Code == "token_expired", e.Code == "ticket_invalid":
		return true
	}
	// Keys are changed, and a proxy may have a mind of its own. Only of one who was logged out a new token is not taken.
	return e.Code != codeRefused && c.cfg.Credential != nil
}

// unreachable marks an error of the network, or of whatever else may pass.
func unreachable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
