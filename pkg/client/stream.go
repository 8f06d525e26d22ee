package client

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// Stream is a subscription that outlives its connections. One goroutine at a time consumes it, by Events or by C.
type Stream struct {
	queue  *queue
	onGap  func(Gap)
	stop   <-chan struct{} // closed when the Stream is to end
	cancel context.CancelFunc
	wait   sync.WaitGroup
	ended  chan struct{} // closed when nothing will come any more
	c      chan Event

	mu     sync.Mutex // Close waits for what C has begun, so that nothing may begin once it waits
	closed bool
	begun  bool // there is somebody who closes c
}

// Subscribe opens a stream, which ends when ctx does, or by Close. It connects in the background: errors of this call are
// faults of the subscription, and wrap ErrInvalid.
//
// After every end of a connection the Stream comes back, when the server says so and otherwise after a random time that
// grows with each failure, to the next of Config.URLs, and goes on behind what it has read. It ends for good when the server
// says so: with a 204, a goodbye that names no time to come back, or a 4xx other than 408, 425 and 429; when a new credential is
// answered with a 401 too; when an event is over Config.BlockBytes; and when what answers is not PushStream, before a stream
// has ever been open, or in a way that would lose events.
func (c *Client) Subscribe(ctx context.Context, sub Subscription) (*Stream, error) {
	if err := sub.Validate(); err != nil {
		return nil, fmt.Errorf("subscribe: %w subscription: %w", ErrInvalid, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{
		queue: newQueue(sub.Buffer+1, sub.LastEventID), onGap: sub.OnGap,
		stop: ctx.Done(), cancel: cancel, ended: make(chan struct{}), c: make(chan Event),
	}
	f := newFollower(c, sub, s.queue)
	s.wait.Go(func() { // it ends with ctx, or by itself; joined by Close. What it has read by then is still to be consumed
		defer close(s.ended)
		err := f.follow(ctx)
		if s.isClosed() {
			err = nil
		}
		s.queue.end(err)
	})
	return s, nil
}

// Events returns what comes, until the stream ends for good; then it returns once more, with the error, unless the Stream
// was closed. When ctx has ended, that is ctx's error, and what was read ahead is not given.
//
// Leaving the loop does not close the Stream: it can be ranged over again, and goes on behind the last event.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			it, ok := s.queue.peek(s.stop)
			if !ok {
				s.finish()
				if err := s.queue.failure(); err != nil {
					yield(Event{}, err)
				}
				return
			}
			if gap := it.event.Gap; gap != nil && s.onGap != nil {
				s.onGap(*gap)
				s.queue.take()
				continue
			}
			s.queue.take()
			if !yield(it.event, nil) {
				return
			}
		}
	}
}

// C returns a channel of what comes, which is closed when the stream ends for good; Err then says why. An event is handed over
// when it has been received; LastEventID follows a moment later. After Close the channel is closed.
func (s *Stream) C() <-chan Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.begun:
	case s.closed:
		close(s.c)
	default:
		s.wait.Go(func() { // it ends with the Stream; joined by Close
			defer close(s.c)
			s.forward()
		})
	}
	s.begun = true
	return s.c
}

func (s *Stream) forward() {
	for {
		it, ok := s.queue.peek(s.stop)
		if !ok {
			s.finish()
			return
		}
		if gap := it.event.Gap; gap != nil && s.onGap != nil {
			s.onGap(*gap)
			s.queue.take()
			continue
		}
		select {
		case s.c <- it.event:
			s.queue.take()
		case <-s.stop:
		}
	}
}

// finish waits until the stream's own goroutine has ended, and frees what its context holds.
func (s *Stream) finish() {
	<-s.ended
	s.cancel()
}

// LastEventID returns where to go on behind the last event that was handed over: what a later Subscription begins with. It
// is never ahead of that. Where there are no events, it moves on by itself.
func (s *Stream) LastEventID() string { return s.queue.at() }

// Err returns why the stream ended: nil while it has not, and where Close ended it.
func (s *Stream) Err() error { return s.queue.failure() }

func (s *Stream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends the stream, and waits until it has. What was read ahead is not given. It may be called more than once.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wait.Wait()
	return nil
}
