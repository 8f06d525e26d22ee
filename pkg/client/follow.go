package client

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/pushstream/pushstream/pkg/sse"
)

// follower makes a Stream's connections, one after the other, and fills its queue. It belongs to one goroutine.
type follower struct {
	client *Client
	sub    Subscription
	queue  *queue
	recent recent

	decoder  *sse.Decoder // its retry time outlives connections
	cursor   string       // where to go on behind what is in the queue: ahead of what the consumer has
	opened   bool         // a stream has been open: this is PushStream
	renewed  bool         // a fresh credential was asked for, and no stream was opened with it yet
	failures int          // how many connections in a row brought nothing
}

func newFollower(c *Client, sub Subscription, q *queue) *follower {
	return &follower{client: c, sub: sub, queue: q, cursor: sub.LastEventID, decoder: sse.NewDecoder(c.cfg.BlockBytes)}
}

// ending is how a connection ended.
type ending struct {
	err      error         // why; nil for an orderly end without a word
	began    bool          // it was an event stream
	opened   bool          // that said hello
	progress bool          // it brought events, or all that there was
	told     bool          // the server said when to come back: after wait
	wait     time.Duration // from the end on
}

// follow makes connections until ctx ends, or one of them ends for good, and returns why.
func (f *follower) follow(ctx context.Context) error {
	for {
		base, n := f.client.base()
		end := f.connect(ctx, base)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.final(end):
			return end.err
		}
		f.client.next(n)
		wait := f.pause(end)
		f.client.log.LogAttrs(ctx, slog.LevelDebug, "stream is opened again", slog.Duration("wait", wait), slog.Any("error", end.err))
		f.tell(State{Phase: PhaseWaiting, Err: end.err, Wait: wait})
		if !pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// final reports whether there is no coming back.
func (f *follower) final(end ending) bool {
	if f.client.stale(end.err) && !end.opened {
		if f.renewed {
			return true
		}
		f.renewed = true
		return false
	}
	if refused, ok := errors.AsType[*Error](end.err); ok {
		return refused.final(f.opened)
	}
	return errors.Is(end.err, ErrTooLarge) || errors.Is(end.err, ErrUnauthorized) || errors.Is(end.err, ErrInvalid) ||
		errors.Is(end.err, ErrProtocol) && (end.began || !f.opened)
}

// final reports whether a stream that was refused, or ended, like this is not to come back.
func (e *Error) final(opened bool) bool {
	switch e.Status {
	case 0:
		return !e.again
	case http.StatusNoContent:
		return true
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status/100 == 4 || e.Status/100 == 3 && !opened
}

// pause returns how long to wait after a connection that ended.
func (f *follower) pause(end ending) time.Duration {
	if end.progress {
		f.failures = 0
	} else {
		f.failures++
	}
	refused, _ := errors.AsType[*Error](end.err)
	switch {
	case end.told && f.failures <= 1: // each reader is told its own time
		return end.wait
	case end.told:
		return max(end.wait, f.client.cfg.backoff(f.failures))
	case f.client.stale(end.err) && f.failures <= 1:
		return 0 // a fresh credential is all that is missing
	case refused != nil && refused.RetryAfter > 0:
		return refused.RetryAfter + f.client.cfg.backoff(f.failures)
	}
	// All readers of a node that died have the same retry time.
	if retry, ok := f.decoder.Retry(); ok && retry > 0 && end.began {
		retry = min(retry, maxWait)
		return max(retry+rand.N(retry/2+1), f.client.cfg.backoff(f.failures))
	}
	return f.client.cfg.backoff(f.failures)
}

func (f *follower) tell(s State) {
	if f.sub.OnState != nil {
		f.sub.OnState(s)
	}
}

// pass moves the cursor on, behind what is in the queue.
func (f *follower) pass(cursor string) {
	if cursor != f.cursor {
		f.cursor = cursor
		f.queue.pass(cursor)
	}
}
