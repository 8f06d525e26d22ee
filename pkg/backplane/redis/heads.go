package redis

import (
	"context"
	"fmt"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// heads reads the head of one partition for everybody who wants it at the same time: thousands of readers who come back
// together take as many calls as fit one behind the other. Nobody is given a head that was read before it was asked for.
type heads struct {
	partition *partition

	mu      sync.Mutex
	working bool
	next    *headCall // what begins when the present one ends; nil where nobody waits
}

// headCall is one call of the function.
type headCall struct {
	done chan struct{} // closed when the rest is known
	head event.Position
	err  error
}

// read returns a head that was read since read was called.
func (h *heads) read(ctx context.Context) (event.Position, error) {
	call, err := h.join()
	if err != nil {
		return event.Position{}, err
	}
	select {
	case <-call.done:
		return call.head, call.err
	case <-ctx.Done():
		return event.Position{}, fmt.Errorf("redis: %w: %w", backplane.ErrUnavailable, ctx.Err())
	}
}

// join returns the next call, and has it made if nobody does.
func (h *heads) join() (*headCall, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		h.next = &headCall{done: make(chan struct{})}
	}
	call := h.next
	if !h.working {
		if !h.partition.engine.start(h.work) { // it ends when nobody waits
			h.next = nil
			return nil, backplane.ErrClosed
		}
		h.working = true
	}
	return call, nil
}

func (h *heads) work() {
	e := h.partition.engine
	ctx, cancel := e.alive(context.Background())
	defer cancel()
	for call := h.begin(); call != nil; call = h.begin() {
		r, err := e.read(ctx, h.partition, invocation{function: functionHead, keys: []string{h.partition.names.head}, args: []any{e.settings}})
		call.head, call.err = r.head, err
		close(call.done)
	}
}

func (h *heads) begin() *headCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	call := h.next
	h.next, h.working = nil, call != nil
	return call
}
