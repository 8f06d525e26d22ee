package httpapi

import (
	"io"
	"net/http"
	"sync/atomic"
)

// bodies bounds what the bodies of all requests in progress have together: the limit of one body says nothing about a
// thousand of them. It is safe for concurrent use.
type bodies struct {
	most  int64
	taken atomic.Int64
}

// newBodies returns a bound that lets one body of the largest size in, whatever most says.
func newBodies(most, largest int64) *bodies { return &bodies{most: max(most, largest)} }

// tooManyBodies is how a publisher is answered whose body there is no room for.
func tooManyBodies() *problem {
	return &problem{
		Title: "Overloaded", Status: http.StatusServiceUnavailable, Code: "too_many_bodies", RetryAfter: unavailableRetry,
		Detail: "the bodies of the publishes in progress have as much as they may have together (limits.bodies_bytes); try again later, with the same key",
	}
}

// incoming is one request's body as it is read. Its bytes count from when they have arrived: for what a sender sends, not for
// what it announces.
type incoming struct {
	of    *bodies
	from  io.Reader
	taken int64
}

// Read reads on, or returns tooManyBodies.
func (b *incoming) Read(into []byte) (int, error) {
	n, err := b.from.Read(into)
	b.taken += int64(n)
	if b.of.taken.Add(int64(n)) > b.of.most {
		return n, tooManyBodies()
	}
	return n, err
}

// release gives back what the body took.
func (b *incoming) release() { b.of.taken.Add(-b.taken) }
