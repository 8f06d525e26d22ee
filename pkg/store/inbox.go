package store

import (
	"sync"
	"time"
)

// message is one thing that a shard is told: an event for the readers of a log, or something to do. One queue holds both,
// because their order is what progress and doubts mean.
type message struct {
	frame   Frame
	log     *Log
	arrived time.Time
	do      func() // set instead of frame; run by the shard
}

// inbox is where everything else leaves messages for a shard. It is safe for concurrent use. Events are bounded, what is to
// be done is never refused.
type inbox struct {
	wake     chan struct{} // holds a token while messages wait
	overflow func()        // run by the shard in place of the events that were refused

	maxEvents, maxBytes int

	mu       sync.Mutex
	messages []message
	events   int
	bytes    int
	full     bool // no event is taken until the shard has taken the overflow
	closed   bool // the shard has ended: nothing is taken any more
}

func newInbox(maxEvents, maxBytes int, overflow func()) *inbox {
	return &inbox{wake: make(chan struct{}, 1), overflow: overflow, maxEvents: maxEvents, maxBytes: maxBytes}
}

// do leaves something to do, behind all that was left before. It returns false when the shard has ended and will not.
func (b *inbox) do(f func()) bool {
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.messages = append(b.messages, message{do: f})
	}
	b.mu.Unlock()
	b.notify()
	return !closed
}

// event leaves an event. Where there is no room, the shard is told instead that it has missed some.
func (b *inbox) event(log *Log, frame Frame) {
	size := frame.Size()
	b.mu.Lock()
	switch {
	case b.full || b.closed:
	case b.events > 0 && (b.events >= b.maxEvents || b.bytes+size > b.maxBytes):
		b.full = true
		b.messages = append(b.messages, message{do: b.overflow})
	default:
		b.events++
		b.bytes += size
		b.messages = append(b.messages, message{frame: frame, log: log, arrived: time.Now()})
	}
	b.mu.Unlock()
	b.notify()
}

func (b *inbox) notify() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// close takes nothing any more, and returns what still waits.
func (b *inbox) close() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.messages
}

// take returns all that waits, and keeps room for what comes next.
func (b *inbox) take(room []message) []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.messages
	b.messages, b.events, b.bytes, b.full = room[:0], 0, 0, false
	return taken
}
