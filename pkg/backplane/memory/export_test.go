package memory

import (
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// NewAt is New with another clock.
func NewAt(config Config, now func() time.Time) (*Engine, error) { return newEngine(config, now) }

// Begin is what Run does first.
func (e *Engine) Begin(sink backplane.Sink) error { return e.begin(sink) }

// End is what Run does when its context ends.
func (e *Engine) End() { e.end() }

// Beat is what Run does once a second.
func (e *Engine) Beat() { e.beat() }

// Kept is what an engine holds.
type Kept struct {
	Logs, Entries, Bytes, Keys, Tickets, Signals int
}

// Kept counts what the engine holds, by walking over it.
func (e *Engine) Kept() Kept {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tickets.mu.Lock()
	defer e.tickets.mu.Unlock()
	kept := Kept{
		Logs:    len(e.logs.byName),
		Bytes:   e.logs.bytes,
		Keys:    len(e.keys.young) + len(e.keys.old),
		Tickets: len(e.tickets.byID),
		Signals: len(e.signals),
	}
	for n := e.logs.records.first; n != nil; n = n.after {
		kept.Entries++
	}
	return kept
}
