package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Engine is a backplane within one process. It is safe for concurrent use. None of its methods blocks, except Run.
type Engine struct {
	config   Config
	now      func() time.Time
	timeline string
	birth    event.Position
	done     chan struct{} // closed by Close
	tickets  tickets

	mu     sync.Mutex
	clock  uint64         // the partition's clock, in milliseconds since 1970; never goes back
	head   event.Position // the last position; never beyond clock
	logs   logs
	keys   keys
	joined map[event.LogName]int
	sink   backplane.Sink // of the Run that goes on; nil without one
	closed bool
	// signals are those that are kept, with when that ends.
	signals map[string]time.Time
}

var (
	_ backplane.Backplane = (*Engine)(nil)
	_ backplane.Tickets   = (*Engine)(nil)
	_ backplane.Signals   = (*Engine)(nil)
)

// New returns an engine that has no history: positions of any other engine are lost to it. The error lists all faults of
// the configuration.
func New(config Config) (*Engine, error) {
	return newEngine(config, time.Now)
}

func newEngine(config Config, now func() time.Time) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("open memory backplane: %w", err)
	}
	e := &Engine{
		config:   config,
		now:      now,
		timeline: rand.Text()[:8], // 40 random bits
		done:     make(chan struct{}),
		tickets:  newTickets(),
		logs:     newLogs(config.RetentionLength, config.RetentionBytes),
		keys:     newKeys(config.KeyAge, now()),
		joined:   make(map[event.LogName]int),
		signals:  make(map[string]time.Time),
	}
	e.advance()
	e.head = e.at(e.clock, 0)
	e.birth = e.head
	return e, nil
}

// Capabilities says what the engine can do and how it is set.
func (e *Engine) Capabilities() backplane.Capabilities {
	return backplane.Capabilities{
		Partitions:      1,
		RetentionLength: e.config.RetentionLength,
		RetentionAge:    e.config.RetentionAge,
		KeyAge:          e.config.KeyAge,
	}
}

// Close ends the engine and lets go of what it kept. Nothing is passed on after it: the Doubt comes before it returns. A
// Run that goes on returns ErrClosed; Close does not wait for that. Closing again does nothing.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	close(e.done)
	e.doubt("closed")
	e.logs = newLogs(e.config.RetentionLength, e.config.RetentionBytes)
	e.keys = newKeys(e.config.KeyAge, e.now())
	clear(e.signals)
	e.tickets.clear()
}

// Head returns the partition's last position. There is only one partition.
func (e *Engine) Head(ctx context.Context, _ backplane.Partition) (event.Position, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(ctx); err != nil {
		return event.Position{}, fmt.Errorf("read head: %w", err)
	}
	return e.head, nil
}

// refusal says why a call cannot be served: the engine is closed, or ctx has ended. The caller holds the mutex.
func (e *Engine) refusal(ctx context.Context) error {
	if e.closed {
		return backplane.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", backplane.ErrUnavailable, err)
	}
	return nil
}

// advance moves the partition's clock to the present. The clock of the machine may step back; the partition's waits then,
// or a log that expired before the step could be written again with a bound that hides what went.
func (e *Engine) advance() {
	if ms := e.now().UnixMilli(); ms > 0 {
		e.clock = max(e.clock, uint64(ms))
	}
}

// next returns the position of the next append, and takes nothing.
func (e *Engine) next() event.Position {
	if e.head.Millis() == e.clock {
		return e.at(e.clock, e.head.Seq()+1)
	}
	return e.at(e.clock, 0)
}

// at returns a position of the engine's timeline.
func (e *Engine) at(millis, seq uint64) event.Position {
	p, err := event.NewPosition(e.timeline, millis, seq)
	if err != nil {
		panic(err) // the tag is made by New, and the clock ends in the year 287396
	}
	return p
}

// horizon is the partition's clock minus the retention age: logs whose last append lies before it have expired.
func (e *Engine) horizon() event.Position {
	age := uint64(e.config.RetentionAge.Milliseconds()) //nolint:gosec // Validate refuses less than 1
	return e.at(e.clock-min(age, e.clock), 0)
}

// bound is where the history of absent logs begins: all that such a log ever had lies before the horizon, or not behind
// the floor.
func (e *Engine) bound() event.Position {
	return e.horizon().Later(e.logs.floor)
}
