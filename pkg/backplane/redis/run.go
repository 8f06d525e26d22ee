package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// Run relays until ctx ends or the engine is closed. It comes back from everything that may pass. What does not, like a
// server that is too old or lacks rights, ends it while a partition's relay has never worked; after that it is logged, since
// it may be put right.
func (e *Engine) Run(ctx context.Context, sink backplane.Sink) error {
	if e.isClosed() {
		return fmt.Errorf("run: %w", backplane.ErrClosed)
	}
	if !e.running.CompareAndSwap(false, true) {
		return fmt.Errorf("run: %w", backplane.ErrRunning)
	}
	defer e.running.Store(false)
	alive, cancel := e.alive(ctx)
	defer cancel()
	errs := make([]error, len(e.partitions))
	var all sync.WaitGroup
	for i, p := range e.partitions {
		all.Go(func() { // joined below
			if errs[i] = p.run(alive, sink); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	switch err := errors.Join(errs...); {
	case err != nil:
		return fmt.Errorf("run: redis: %w", err)
	case e.isClosed() && ctx.Err() == nil:
		return fmt.Errorf("run: %w", backplane.ErrClosed)
	default:
		return nil
	}
}

// run has one session after the other.
func (p *partition) run(ctx context.Context, sink backplane.Sink) error {
	const steady = 10 * time.Second // a session that lasted so long makes the next one come at once
	ever := false
	p.mu.Lock()
	p.doubtful = time.Time{} // what was before this Run does not count
	p.mu.Unlock()
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		vouched, cause := p.relay(ctx, sink, !ever)
		ever = ever || vouched
		if faultOf(cause) == faultFinal && !ever {
			return fmt.Errorf("partition %d: %w%s", p.number, cause, cure(cause))
		}
		if time.Since(began) > steady {
			attempt = 0
		}
		if ctx.Err() == nil {
			p.probe(ctx)
			level := slog.LevelDebug
			if p.trouble.due() {
				level = slog.LevelWarn
			}
			p.engine.log.Log(ctx, level, "no relay; connecting again", slog.Int("partition", int(p.number)), slog.String("cause", cause.Error()+cure(cause)))
			pause(ctx, attempt)
		}
	}
	return nil
}

// probe finds out whether the functions answer although there is no relay.
func (p *partition) probe(ctx context.Context) {
	const patience = 500 * time.Millisecond
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := p.engine.once(soon, invocation{function: functionHead, keys: []string{p.names.head}, args: []any{p.engine.settings}})
	p.answered(ctx, err)
}
