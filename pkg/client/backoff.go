package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// maxWait bounds what a server may ask for, so that a slip of an operator does not silence clients for a day.
const maxWait = 10 * time.Minute

// backoff returns a random time of at most BackoffMin, doubled with each failure after the first, up to BackoffMax: full
// jitter spreads those who failed together.
func (c Config) backoff(failures int) time.Duration {
	most := c.BackoffMin
	for i := 1; i < failures && most < c.BackoffMax; i++ {
		most *= 2
	}
	return rand.N(min(most, c.BackoffMax) + 1)
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3); 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), maxWait)
	}
	return 0
}

// pause waits, and reports whether it could to the end.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
