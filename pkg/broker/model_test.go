package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// The model: readers, publishes and faults in random order, checked against a simple reference: what was acknowledged for
// each target. It checks the promise for every reader: each event of its targets, in order, or a gap that names the target
// before anything newer.

const (
	modelTargets = 4
	modelReaders = 3
	// modelLength is small, so that logs are trimmed under readers.
	modelLength = 12
	modelAge    = time.Minute
)

type opKind int

const (
	opPublish opKind = iota
	opConnect
	opDisconnect
	opSlow
	opQuick
	opBreak
	opHeal
	opDrop
	opFail
	opWait
	opNonsense
	opKinds
)

// op is one step; what its numbers mean depends on its kind.
type op struct {
	kind    opKind
	reader  int
	targets int // a set of bits, not empty
	n       int
}

func (o op) String() string {
	names := []string{"publish", "connect", "disconnect", "slow", "quick", "break", "heal", "drop", "fail", "wait", "nonsense"}
	return fmt.Sprintf("%s reader=%d targets=%04b n=%d", names[o.kind], o.reader, o.targets, o.n)
}

func drawOps(t *rapid.T) []op {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		return op{
			kind:    opKind(rapid.IntRange(0, int(opKinds)-1).Draw(t, "kind")),
			reader:  rapid.IntRange(0, modelReaders-1).Draw(t, "reader"),
			targets: rapid.IntRange(1, 1<<modelTargets-1).Draw(t, "targets"),
			n:       rapid.IntRange(0, 20).Draw(t, "n"),
		}
	}), 1, 60).Draw(t, "ops")
}

func TestThePromise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ops := drawOps(rt)
		shards := rapid.IntRange(1, 3).Draw(rt, "shards")
		var failed error
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, shards)
			defer m.stop()
			for _, o := range ops {
				m.step(o)
			}
			m.quiesce()
			failed = m.check()
		})
		if failed != nil {
			rt.Fatalf("%v\nafter %v", failed, ops)
		}
	})
}

// acknowledged is one event that a publisher was told is stored.
type acknowledged struct {
	seq      int
	position event.Position
}

type model struct {
	t       *testing.T
	engine  *backplanetest.Faulty
	broker  *broker.Broker
	targets []event.Target
	acked   map[event.Target][]acknowledged
	seq     atomic.Int64 // of the last event; readers look at it too
	readers []*modelReader
	broken  bool
	stop    func()
}

type modelReader struct {
	reader

	on      bool
	targets []event.Target
}

func newModel(t *testing.T, shards int) *model {
	t.Helper()
	cfg := memory.DefaultConfig()
	cfg.RetentionLength, cfg.RetentionAge = modelLength, modelAge
	engine, err := memory.New(cfg)
	require.NoError(t, err)
	m := &model{t: t, engine: backplanetest.NewFaulty(engine, 1), acked: make(map[event.Target][]acknowledged)}
	bc := broker.DefaultConfig()
	bc.Store.Shards = shards
	bc.Store.BufferBytes = 500
	bc.Store.InboxEvents = 8
	bc.PageEvents = 3
	m.broker, err = broker.New(bc, slowReads{m.engine}, 1, slog.New(slog.DiscardHandler), noMetrics{})
	require.NoError(t, err)
	for i := range modelTargets {
		target, err := event.Topic(strconv.Itoa(i))
		require.NoError(t, err)
		m.targets = append(m.targets, target)
	}
	for range modelReaders {
		r := &modelReader{}
		r.room = plenty
		r.now = func() int { return int(m.seq.Load()) }
		m.readers = append(m.readers, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.broker.Run(ctx) }() // joined by stop
	m.stop = func() {
		cancel()
		require.NoError(t, <-done)
		engine.Close()
	}
	synctest.Wait()
	return m
}

func (m *model) set(bits int) []event.Target {
	var targets []event.Target
	for i, t := range m.targets {
		if bits&(1<<i) != 0 {
			targets = append(targets, t)
		}
	}
	return targets
}

func (m *model) step(o op) {
	r := m.readers[o.reader]
	switch o.kind {
	case opPublish:
		for range 1 + o.n/3 {
			m.publish(m.set(o.targets))
		}
	case opConnect:
		m.connect(r, m.set(o.targets))
	case opDisconnect:
		m.disconnect(r)
	case opSlow:
		r.mu.Lock()
		r.room = o.n * 20
		r.mu.Unlock()
	case opQuick:
		r.give(plenty)
	case opBreak:
		m.engine.Break()
		m.broken = true
	case opHeal:
		m.engine.Heal()
		m.engine.Fail(nil)
		m.broken = false
	case opDrop:
		m.drop(o)
	case opFail:
		m.engine.Fail(errors.New("away"))
	case opWait:
		pass(time.Duration(o.n*o.n) * 300 * time.Millisecond) // up to two retention ages
	case opNonsense:
		if !r.on && r.last != "" {
			r.last = "nonsense"
		}
	case opKinds:
	}
	switch o.n % 3 {
	case 0:
		synctest.Wait()
	case 1:
		pass(time.Duration(o.n) * time.Millisecond) // reads take about as long
	default: // the next step comes while this one is under way
	}
}

// publish stores one event for targets.
func (m *model) publish(targets []event.Target) {
	seq := int(m.seq.Add(1))
	data, err := event.ParseJSON([]byte(strconv.Itoa(seq)))
	require.NoError(m.t, err)
	kind, err := event.ParseType("model.tick")
	require.NoError(m.t, err)
	result := m.broker.Publish(m.t.Context(), []backplane.Publication{{
		Tenant: event.DefaultTenant(), Targets: targets, Event: event.Event{Type: kind, Data: data},
	}})[0]
	if result.Err != nil {
		return
	}
	for i, t := range targets {
		m.acked[t] = append(m.acked[t], acknowledged{seq, result.Positions[i]})
	}
}

// drop loses relayed events without a doubt. Only the chain tells, with the next event of the same log; a reader that
// leaves in between has a cursor behind the loss already, so here nobody does.
func (m *model) drop(o op) {
	if m.broken {
		return
	}
	m.engine.Fail(nil)
	for _, r := range m.readers {
		r.give(plenty)
	}
	pass(5 * time.Second)
	m.engine.DropNext(1 + o.n%4)
	for range 1 + o.n%3 {
		m.publish(m.set(o.targets))
	}
	m.engine.DropNext(0)
	for _, t := range m.targets { // one event each: one for several targets would come by the first before the second's chain is seen to be broken
		m.publish([]event.Target{t})
	}
	pass(5 * time.Second)
}

func (m *model) connect(r *modelReader, targets []event.Target) {
	if r.on && !r.ended() {
		return
	}
	if r.last == "" {
		r.targets = targets // those that come back ask for the same
	}
	r.connect()
	s, err := m.broker.Subscribe(m.t.Context(), broker.Request{
		Tenant: event.DefaultTenant(), Targets: r.targets, LastEventID: r.last, Envelope: true,
	})
	if err != nil {
		return
	}
	r.on = true
	conn := s.Start(r, r)
	r.mu.Lock()
	r.conn = conn
	r.mu.Unlock()
}

func (m *model) disconnect(r *modelReader) {
	if !r.on {
		return
	}
	r.conn.Gone(nil)
	synctest.Wait()
	r.on = false
}

// quiesce ends all trouble and lets everybody catch up.
func (m *model) quiesce() {
	m.engine.Heal()
	m.engine.Fail(nil)
	for _, r := range m.readers {
		r.give(plenty)
		if len(r.targets) > 0 {
			m.connect(r, nil)
		}
	}
	pass(10 * time.Second)
	m.publish(m.targets) // shows what the relay has missed
	pass(10 * time.Second)
}

func (m *model) check() error {
	for i, r := range m.readers {
		for _, t := range r.targets {
			if err := m.checkTarget(r, t); err != nil {
				return fmt.Errorf("reader %d, %v: %w", i, t, err)
			}
		}
	}
	return nil
}

// checkTarget holds what a reader was given of a target against what was acknowledged.
func (m *model) checkTarget(r *modelReader, target event.Target) error {
	start, err := event.ParsePosition(r.items[0].block) // of its first hello
	if err != nil {
		return fmt.Errorf("first hello: %w", err)
	}
	var owed []int
	for _, a := range m.acked[target] {
		if a.position.After(start) {
			owed = append(owed, a.seq)
		}
	}
	excused := 0 // events up to here may be missing: a gap was told when this many had been acknowledged
	for _, it := range r.items {
		switch {
		case slices.Contains(it.gap, target.String()):
			excused = it.acked
		case it.seq == 0 || !m.isFor(it.seq, target):
		case len(owed) > 0 && it.seq == owed[0]:
			owed = owed[1:]
		case len(owed) > 0 && it.seq > owed[0]:
			for len(owed) > 0 && owed[0] != it.seq {
				if owed[0] > excused {
					return fmt.Errorf("event %d is missing before %d, and no gap was told; owed %v\n%v", owed[0], it.seq, owed, r.items)
				}
				owed = owed[1:]
			}
			if len(owed) == 0 {
				return fmt.Errorf("event %d was never acknowledged", it.seq)
			}
			owed = owed[1:]
		default: // given before: at least once
		}
	}
	for _, seq := range owed {
		if seq > excused {
			return fmt.Errorf("event %d is missing at the end; owed %v\n%v", seq, owed, r.items)
		}
	}
	return nil
}

func (m *model) isFor(seq int, target event.Target) bool {
	return slices.ContainsFunc(m.acked[target], func(a acknowledged) bool { return a.seq == seq })
}

// slowReads takes its time to read, so that events come in between.
type slowReads struct{ backplane.Backplane }

func (s slowReads) Head(ctx context.Context, p backplane.Partition) (event.Position, error) {
	head, err := s.Backplane.Head(ctx, p)
	pause(3 * time.Millisecond)
	return head, err
}

func (s slowReads) Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	pages, err := s.Backplane.Replay(ctx, queries)
	pause(5 * time.Millisecond)
	return pages, err
}

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) {
	pause(d)
	synctest.Wait()
}

func pause(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // under synctest it takes no time, and returns when everybody else waits
}

type noMetrics struct{}

func (noMetrics) Published(int)                 {}
func (noMetrics) Doubt(string)                  {}
func (noMetrics) ReadFailed()                   {}
func (noMetrics) Delivered(int, int)            {}
func (noMetrics) Replayed(int)                  {}
func (noMetrics) CatchingUp(int)                {}
func (noMetrics) GapTold(event.GapReason, int)  {}
func (noMetrics) DeliveryLatency(time.Duration) {}
func (noMetrics) InboxOverflow()                {}
