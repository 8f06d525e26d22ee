package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// ticketSweep is how often expired tickets are looked for.
const ticketSweep = time.Second

// tickets are values that can be taken once. They have a mutex of their own, to keep logins and events out of each
// other's way.
type tickets struct {
	mu    sync.Mutex
	byID  map[string]ticket
	swept time.Time
}

type ticket struct {
	value   []byte
	expires time.Time
}

func newTickets() tickets {
	return tickets{byID: make(map[string]ticket)}
}

// Put keeps a copy of value under id for age.
func (e *Engine) Put(ctx context.Context, id string, value []byte, age time.Duration) error {
	if err := e.ticketRefusal(ctx); err != nil {
		return fmt.Errorf("put ticket: %w", err)
	}
	now := e.now()
	e.tickets.sweep(now)
	e.tickets.mu.Lock()
	defer e.tickets.mu.Unlock()
	e.tickets.byID[id] = ticket{value: bytes.Clone(value), expires: now.Add(age)}
	return nil
}

// Peek returns a copy of the value without using it up.
func (e *Engine) Peek(ctx context.Context, id string) ([]byte, error) {
	if err := e.ticketRefusal(ctx); err != nil {
		return nil, fmt.Errorf("peek at ticket: %w", err)
	}
	e.tickets.mu.Lock()
	defer e.tickets.mu.Unlock()
	found, ok := e.tickets.byID[id]
	if !ok || !e.now().Before(found.expires) {
		return nil, fmt.Errorf("peek at ticket: %w", backplane.ErrNoTicket)
	}
	return bytes.Clone(found.value), nil
}

// Take returns the value and forgets it.
func (e *Engine) Take(ctx context.Context, id string) ([]byte, error) {
	if err := e.ticketRefusal(ctx); err != nil {
		return nil, fmt.Errorf("take ticket: %w", err)
	}
	e.tickets.mu.Lock()
	defer e.tickets.mu.Unlock()
	found, ok := e.tickets.byID[id]
	delete(e.tickets.byID, id)
	if !ok || !e.now().Before(found.expires) {
		return nil, fmt.Errorf("take ticket: %w", backplane.ErrNoTicket)
	}
	return found.value, nil
}

func (e *Engine) ticketRefusal(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refusal(ctx)
}

// sweep forgets what has expired, once in a while.
func (t *tickets) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) < ticketSweep {
		return
	}
	t.swept = now
	maps.DeleteFunc(t.byID, func(_ string, kept ticket) bool { return !now.Before(kept.expires) })
}

func (t *tickets) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.byID)
}
