package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// A server that was primary before has the run id it had: the timelines tell its lives apart.
func TestSameServerReturns(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	pub := w.publisher()
	turn := func(from, to *redistest.Server) {
		awaitReplicas(t, from, 1)
		to.Do("REPLICAOF", "NO", "ONE")
		follow(t, from, to)
	}
	positions := make([]event.Position, 0, 3)
	publish := func() {
		s := pub.publish(topic("a"))
		require.NoError(t, s.err)
		positions = append(positions, s.position)
	}
	run := p.a.RunID()
	publish()
	turn(p.a, p.b)
	to.move(p.linkB)
	publish()
	turn(p.b, p.a)
	to.move(p.linkA)
	publish()
	require.Equal(t, run, p.a.RunID())
	require.True(t, positions[1].After(positions[0]) && positions[2].After(positions[1]), "%v", positions)
	tags := []string{positions[0].Timeline(), positions[1].Timeline(), positions[2].Timeline()}
	slices.Sort(tags)
	require.Len(t, slices.Compact(tags), 3, "%v", positions)

	head, err := pub.engine.Head(t.Context(), 0)
	require.NoError(t, err)
	of := func(timeline, place event.Position) event.Position {
		made, err := event.NewPosition(timeline.Timeline(), place.Millis(), place.Seq())
		require.NoError(t, err)
		return made
	}
	for _, c := range []struct {
		after event.Position
		gap   event.GapReason
		want  []event.Position
	}{
		{after: positions[0], want: positions[1:]},
		{after: positions[1], want: positions[2:]},
		{after: positions[2]},
		{after: head},
		{after: of(positions[0], positions[1]), gap: event.GapLost},
		{after: of(positions[0], positions[2]), gap: event.GapLost},
		{after: of(positions[1], positions[2]), gap: event.GapLost},
		{after: of(positions[2], positions[1]), want: positions[2:]},
	} {
		pages, err := pub.engine.Replay(t.Context(), []backplane.Query{{Log: topic("a"), After: c.after, Through: head, Limit: 10, Bytes: 1 << 20}})
		require.NoError(t, err)
		require.Equal(t, c.gap, pages[0].Gap, "after %v of %v", c.after, positions)
		var got []event.Position
		for _, e := range pages[0].Entries {
			got = append(got, e.Position)
		}
		require.Equal(t, c.want, got, "after %v", c.after)
	}
}

// A server that returns without what happened on the other one takes its own history for the only one. A node that knows
// better has the loss marked.
func TestSameServerReturnsWithItsOldHistory(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	n := w.node()
	pub := &publisher{world: w, engine: n.engine}
	live, away := w.read(n, "", topic("a")), w.read(n, "", topic("a"))
	require.NoError(t, pub.publish(topic("a")).err)
	require.Eventually(t, func() bool { return away.newest() == 0 }, 5*time.Second, time.Millisecond)
	away.hangUp()
	awaitReplicas(t, p.a, 1)

	p.b.Do("REPLICAOF", "NO", "ONE")
	to.move(p.linkB)
	w.back(pub)
	to.move(p.linkA)
	w.back(pub)
	away.comeBack(n)
	w.requireKept(pub)
	require.Contains(t, away.gaps(), "topic:a lost")
	require.Contains(t, live.gaps(), "topic:a lost")
}

// events records what a sink is told, in order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, what)
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(slices.Compact(slices.Clone(e.all)), " ")
}

func (e *events) Relay(entry backplane.Entry)                     { e.add("relay:" + entry.Position.Timeline()) }
func (e *events) Doubt(backplane.Partition, string)               { e.add("doubt") }
func (e *events) Vouched(_ backplane.Partition, h event.Position) { e.add("vouched:" + h.Timeline()) }
func (e *events) Signal(backplane.Partition, []byte)              {}
func (e *events) Progress(backplane.Partition, event.Position)    {}

// An event of another timeline than the one that was vouched for is not passed on: it may come from a server that does not
// know yet that it was replaced. If the timeline is a new one, that is a doubt.
func TestEventOfAnotherTimeline(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	e, sink := w.engine(), new(events)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, sink) }() // joined below
	first, err := e.Join(t.Context(), []event.LogName{topic("a")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return sink.String() == "vouched:"+first.Timeline() }, 5*time.Second, time.Millisecond)
	pub := w.publisher()
	require.NoError(t, pub.publish(topic("a")).err)

	s.Do("PUBLISH", w.key("log:default:topic:a"), fmt.Sprintf("old.%d-0 1-0 test.tick 0 {}", first.Millis()+1000))
	s.Do("HSET", w.key("head"), "run", "another") // the next call opens a timeline
	second := pub.publish(topic("a"))
	require.NoError(t, second.err)
	tag := second.position.Timeline()
	require.NotEqual(t, first.Timeline(), tag)
	// Where a canary opened the timeline first, the event comes behind the vouching, and is passed on.
	require.Eventually(t, func() bool { return strings.Contains(sink.String(), "doubt vouched:"+tag) }, 5*time.Second, time.Millisecond, sink)
	require.NoError(t, pub.publish(topic("a")).err)
	want := fmt.Sprintf("vouched:%[1]s relay:%[1]s doubt vouched:%[2]s relay:%[2]s", first.Timeline(), tag)
	require.Eventually(t, func() bool { return sink.String() == want }, 5*time.Second, time.Millisecond, sink)
	cancel()
	require.NoError(t, <-done)
}

// The clock of a promoted replica may be behind. Positions go on from where they were, and nothing ends before its time.
func TestClockStepsBackOnPromotion(t *testing.T) {
	t.Parallel()
	const ahead = time.Minute
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	w.config.RetentionAge, w.config.KeyAge = 30*time.Second, 10*time.Second
	pub := w.publisher()
	pub.keyed = true
	_, err := pub.engine.Head(t.Context(), 0)
	require.NoError(t, err)
	// As if the clock of a had been ahead of that of b.
	p.a.Do("HSET", w.key("head"), "at", fmt.Sprintf("%d-0", time.Now().Add(ahead).UnixMilli()))
	n := w.node()
	reader := w.read(n, "", topic("a"))
	before := pub.publish(topic("a"))
	require.NoError(t, before.err)
	require.Greater(t, time.Until(before.position.Time()), ahead/2)
	awaitReplicas(t, p.a, 1)

	p.b.Do("REPLICAOF", "NO", "ONE")
	follow(t, p.a, p.b)
	to.move(p.linkB)
	w.back(pub)
	behind := pub.publish(topic("a"))
	require.NoError(t, behind.err)
	require.True(t, behind.position.After(before.position))
	require.NotEqual(t, before.position.Timeline(), behind.position.Timeline())
	v := w.requireKept(pub)
	require.Zero(t, v.gaps)
	require.Empty(t, reader.gaps())

	again := numbered(topic("a"), 0, 0)
	again.Key = "number 0"
	r := pub.engine.Publish(t.Context(), []backplane.Publication{again})[0]
	require.NoError(t, r.Err)
	require.Equal(t, before.position, r.Positions[0], "the key was forgotten")
	require.Greater(t, p.b.Do("PTTL", w.key("log:default:topic:a")), w.config.RetentionAge.Milliseconds())
	head, err := pub.engine.Head(t.Context(), 0)
	require.NoError(t, err)
	pages, err := pub.engine.Replay(t.Context(), []backplane.Query{
		{Log: topic("a"), After: before.position, Through: head, Limit: 1000, Bytes: 1 << 20},
		{Log: topic("none"), After: before.position, Through: head, Limit: 1000, Bytes: 1 << 20},
	})
	require.NoError(t, err)
	require.Equal(t, event.GapNone, pages[0].Gap)
	require.Equal(t, event.GapNone, pages[1].Gap)
	require.NotEmpty(t, pages[0].Entries)
}
