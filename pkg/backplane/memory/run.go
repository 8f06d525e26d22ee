package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// heartbeat is how often Run moves the head and reports progress.
	heartbeat = time.Second
	// sweepEntries is how many expired entries a heartbeat may let go of: a few milliseconds with the mutex held.
	sweepEntries = 10_000
)

// Join has the logs passed on. It is confirmed when it returns: every append that follows sees it.
func (e *Engine) Join(ctx context.Context, logs []event.LogName) (event.Position, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(ctx); err != nil {
		return event.Position{}, fmt.Errorf("join: %w", err)
	}
	for _, log := range logs {
		e.joined[log]++
	}
	return e.head, nil
}

// Leave gives back what one Join got. Nothing of a log is passed on any more once its last join was given back.
func (e *Engine) Leave(logs []event.LogName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, log := range logs {
		switch n := e.joined[log]; n {
		case 0:
			panic("backplane: leave " + log.String() + ": it is not joined")
		case 1:
			delete(e.joined, log)
		default:
			e.joined[log] = n - 1
		}
	}
}

// Run vouches for the relay, which works by itself from then on, and moves the head and reports progress once a second
// until ctx ends or the engine is closed.
func (e *Engine) Run(ctx context.Context, sink backplane.Sink) error {
	if err := e.begin(sink); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			e.end()
			return nil
		case <-e.done:
			return fmt.Errorf("run: %w", backplane.ErrClosed)
		case <-ticker.C:
			e.beat()
		}
	}
}

func (e *Engine) begin(sink backplane.Sink) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return backplane.ErrClosed
	case e.sink != nil:
		return backplane.ErrRunning
	}
	e.sink = sink
	e.recall(sink)
	sink.Vouched(0, e.head)
	return nil
}

func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubt("stopped")
}

// doubt takes the sink away. The caller holds the mutex.
func (e *Engine) doubt(cause string) {
	if e.sink != nil {
		e.sink.Doubt(0, cause)
		e.sink = nil
	}
}

// beat takes a position without an event, so that the cursor of a reader without events stays younger than the retention
// age, and lets go of what has expired.
func (e *Engine) beat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.advance()
	if e.clock > e.head.Millis() {
		e.head = e.next()
	}
	e.sink.Progress(0, e.head)
	e.logs.sweep(e.horizon(), sweepEntries)
	e.keys.turn(e.now())
	e.tickets.sweep(e.now())
}
