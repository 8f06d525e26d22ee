package backplanetest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// patience is how long the suite waits for what has to happen.
const patience = 10 * time.Second

type callKind int

const (
	callRelay callKind = iota
	callDoubt
	callVouched
	callProgress
	callSignal
)

// call is one call of the sink.
type call struct {
	kind      callKind
	partition backplane.Partition
	entry     backplane.Entry // of a relay
	position  event.Position  // of the entry, the head, or the progress
	message   string          // of a signal
}

// recorder is a sink that keeps all calls, and notes every one that breaks a rule by itself. It is safe for concurrent
// use, though an engine makes none.
type recorder struct {
	partitions []partitionState

	mu      sync.Mutex
	calls   []call
	had     map[placeInLog]bool
	faults  []string
	changed chan struct{} // closed, and replaced, by every call
}

// partitionState is what the rules of one partition depend on.
type partitionState struct {
	entered  sync.Mutex
	vouched  bool
	relayed  event.Position // the last one, while vouched
	progress event.Position // the last one, while vouched
}

type placeInLog struct {
	log      event.LogName
	position event.Position
}

func newRecorder(partitions int) *recorder {
	return &recorder{
		partitions: make([]partitionState, partitions),
		had:        make(map[placeInLog]bool),
		changed:    make(chan struct{}),
	}
}

// Relay records an entry, for the partition of its tenant.
func (r *recorder) Relay(entry backplane.Entry) {
	partition := backplane.PartitionOf(entry.Log.Tenant, len(r.partitions))
	r.record(call{kind: callRelay, partition: partition, entry: entry, position: entry.Position})
}

// Doubt records a doubt.
func (r *recorder) Doubt(partition backplane.Partition, _ string) {
	r.record(call{kind: callDoubt, partition: partition})
}

// Vouched records that a partition is vouched for.
func (r *recorder) Vouched(partition backplane.Partition, head event.Position) {
	r.record(call{kind: callVouched, partition: partition, position: head})
}

// Progress records progress.
func (r *recorder) Progress(partition backplane.Partition, position event.Position) {
	r.record(call{kind: callProgress, partition: partition, position: position})
}

// Signal records a signal.
func (r *recorder) Signal(partition backplane.Partition, message []byte) {
	r.record(call{kind: callSignal, partition: partition, message: string(message)})
}

func (r *recorder) record(c call) {
	if int(c.partition) < 0 || int(c.partition) >= len(r.partitions) {
		r.fault("a call for partition %d of %d", c.partition, len(r.partitions))
		return
	}
	state := &r.partitions[c.partition]
	if !state.entered.TryLock() {
		r.fault("two calls for partition %d at the same time", c.partition)
		state.entered.Lock()
	}
	defer state.entered.Unlock()
	runtime.Gosched() // an engine that makes two calls at a time gets its chance

	r.mu.Lock()
	defer r.mu.Unlock()
	r.judge(state, c)
	r.calls = append(r.calls, c)
	close(r.changed)
	r.changed = make(chan struct{})
}

// judge holds a call against the rules that need nothing but the calls before it. The caller holds the mutex.
func (r *recorder) judge(state *partitionState, c call) {
	switch c.kind {
	case callDoubt:
		state.vouched = false
	case callVouched:
		if c.position.IsZero() {
			r.note("vouched without a head")
		}
		state.vouched, state.relayed, state.progress = true, event.Position{}, event.Position{}
	case callProgress:
		if !state.vouched {
			r.note("progress to %v while in doubt", c.position)
		}
		if state.progress.After(c.position) {
			r.note("progress went back from %v to %v", state.progress, c.position)
		}
		state.progress = c.position
	case callRelay:
		r.judgeRelay(state, c)
	case callSignal: // at any time
	}
}

func (r *recorder) judgeRelay(state *partitionState, c call) {
	if c.position.IsZero() {
		return
	}
	at := placeInLog{c.entry.Log, c.position}
	if r.had[at] {
		r.note("%v of %v was passed on twice", c.position, c.entry.Log)
	}
	r.had[at] = true
	if !state.vouched {
		return
	}
	if state.relayed.After(c.position) {
		r.note("%v was passed on after %v", c.position, state.relayed)
	}
	if !state.progress.IsZero() && !c.position.After(state.progress) {
		r.note("%v was passed on after progress to %v", c.position, state.progress)
	}
	state.relayed = c.position
}

func (r *recorder) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(format, args...)
}

func (r *recorder) note(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// all returns what was called so far.
func (r *recorder) all() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// noted returns the calls that broke a rule.
func (r *recorder) noted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

// await waits until the calls are as wanted, and reports whether they became so in time.
func (r *recorder) await(wanted func(calls []call) bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		done, changed := wanted(r.calls), r.changed
		r.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return false
		}
	}
}

// awaitEntry waits until an entry has been passed on.
func (r *recorder) awaitEntry(at placeInLog) bool {
	return r.await(func([]call) bool { return r.had[at] })
}

// of returns the entries of some logs that were passed on and have a position.
func (r *recorder) of(logs ...event.LogName) []backplane.Entry {
	return r.entries(func(e backplane.Entry) bool { return slices.Contains(logs, e.Log) && !e.Position.IsZero() })
}

// entries returns those that were passed on and are wanted.
func (r *recorder) entries(wanted func(e backplane.Entry) bool) []backplane.Entry {
	var found []backplane.Entry
	for _, c := range r.all() {
		if c.kind == callRelay && wanted(c.entry) {
			found = append(found, c.entry)
		}
	}
	return found
}

// count returns how many calls of a kind there were for a partition.
func count(calls []call, kind callKind, partition backplane.Partition) int {
	n := 0
	for _, c := range calls {
		if c.kind == kind && c.partition == partition {
			n++
		}
	}
	return n
}
