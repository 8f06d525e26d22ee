package backplanetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Faulty is a backplane that fails on demand, for tests of what is built on one. Without a fault it does what the engine
// below it does. All methods are safe for concurrent use; those that are not of backplane.Backplane never block. It has no
// goroutines and no timers of its own, and holds no lock while the engine is at work, so that it can be used within a
// bubble of testing/synctest.
type Faulty struct {
	engine     backplane.Backplane
	partitions int

	// mu is held while the sink is called, which keeps the calls apart: the engine's, and those of Break and Heal.
	mu      sync.Mutex
	broken  bool
	drop    int
	err     error
	sink    backplane.Sink // of the Run that the engine vouches for
	vouched map[backplane.Partition]bool
	seen    map[backplane.Partition]event.Position // no event up to here will come from the engine any more
}

var _ backplane.Backplane = (*Faulty)(nil)

// NewFaulty returns a Faulty around an engine that has so many partitions. The engine still belongs to the caller.
func NewFaulty(engine backplane.Backplane, partitions int) *Faulty {
	return &Faulty{
		engine:     engine,
		partitions: partitions,
		vouched:    make(map[backplane.Partition]bool),
		seen:       make(map[backplane.Partition]event.Position),
	}
}

// Break interrupts the relay, as a lost connection does: each partition that is vouched for gets its Doubt, then nothing
// is passed on until Heal. Events go to the logs all the time. A Run that starts meanwhile stays in doubt. Breaking what
// is broken does nothing.
func (f *Faulty) Break() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return
	}
	f.broken = true
	for partition := range f.vouched {
		f.sink.Doubt(partition, "broken by a test")
	}
}

// Heal ends what Break began: each partition that the engine vouches for is vouched for again, from a head behind
// everything that was dropped. Healing what is not broken does nothing.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.broken {
		return
	}
	f.broken = false
	for partition := range f.vouched {
		f.sink.Vouched(partition, f.seen[partition])
	}
}

// DropNext drops the next n entries that have a position and would be passed on, without a doubt. No engine may do that.
// It is what the chain is for: the next entry of the same log tells. Until then positions pass the entry unnoticed,
// progress among them.
func (f *Faulty) DropNext(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop = n
}

// Fail has Publish, Join, Replay and Head return an error that wraps err, and do nothing, until Fail(nil). Calls that are
// at work in the engine are not touched.
func (f *Faulty) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Publish fails, or does what the engine does.
func (f *Faulty) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	if err := f.failure("publish"); err != nil {
		results := make([]backplane.Result, len(publications))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	return f.engine.Publish(ctx, publications)
}

// Join fails, or does what the engine does.
func (f *Faulty) Join(ctx context.Context, logs []event.LogName) (event.Position, error) {
	if err := f.failure("join"); err != nil {
		return event.Position{}, err
	}
	head, err := f.engine.Join(ctx, logs)
	if err == nil && len(logs) > 0 {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.see(f.partitionOf(logs[0]), head) // the engine has promised what comes after, and no more
	}
	return head, err
}

// Leave does what the engine does.
func (f *Faulty) Leave(logs []event.LogName) { f.engine.Leave(logs) }

// Replay fails, or does what the engine does.
func (f *Faulty) Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	if err := f.failure("replay"); err != nil {
		return nil, err
	}
	return f.engine.Replay(ctx, queries)
}

// Head fails, or does what the engine does.
func (f *Faulty) Head(ctx context.Context, partition backplane.Partition) (event.Position, error) {
	if err := f.failure("read head"); err != nil {
		return event.Position{}, err
	}
	return f.engine.Head(ctx, partition)
}

// Run does what the engine does, except for what is broken or dropped.
func (f *Faulty) Run(ctx context.Context, sink backplane.Sink) error {
	return f.engine.Run(ctx, faultySink{f, sink})
}

func (f *Faulty) failure(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, f.err)
}

func (f *Faulty) partitionOf(log event.LogName) backplane.Partition {
	return backplane.PartitionOf(log.Tenant, f.partitions)
}

// see notes a position. The caller holds the mutex.
func (f *Faulty) see(partition backplane.Partition, p event.Position) {
	f.seen[partition] = f.seen[partition].Later(p)
}

// faultySink stands between the engine and the sink of one Run.
type faultySink struct {
	on *Faulty
	to backplane.Sink
}

// Relay passes an entry on, unless it is to be dropped.
func (s faultySink) Relay(entry backplane.Entry) {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	s.on.see(s.on.partitionOf(entry.Log), entry.Position)
	switch {
	case s.on.broken:
	case s.on.drop > 0 && !entry.Position.IsZero():
		s.on.drop--
	default:
		s.to.Relay(entry)
	}
}

// Doubt passes a doubt on, unless Break has told it.
func (s faultySink) Doubt(partition backplane.Partition, cause string) {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	delete(s.on.vouched, partition)
	if !s.on.broken {
		s.to.Doubt(partition, cause)
	}
}

// Vouched passes it on, or leaves it to Heal.
func (s faultySink) Vouched(partition backplane.Partition, head event.Position) {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	s.on.sink = s.to // an engine that refuses a Run never calls its sink
	s.on.vouched[partition] = true
	s.on.see(partition, head)
	if !s.on.broken {
		s.to.Vouched(partition, head)
	}
}

// Progress passes progress on, unless in doubt.
func (s faultySink) Progress(partition backplane.Partition, position event.Position) {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	s.on.see(partition, position)
	if !s.on.broken {
		s.to.Progress(partition, position)
	}
}

// Signal passes a signal on, also while the relay is broken: what is kept comes again in any case.
func (s faultySink) Signal(partition backplane.Partition, message []byte) {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	s.to.Signal(partition, message)
}
