package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// The relay would stay with a primary that is demoted: the connection is up, and a replica passes on what its primary
// relays. But it has missed what was published before that.
func TestPrimaryDemotedByHand(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	n := w.node()
	reader := w.read(n, "", topic("a"))
	first := &publisher{world: w, engine: n.engine}
	require.NoError(t, first.publish(topic("a")).err)
	awaitReplicas(t, p.a, 1)

	p.b.Do("REPLICAOF", "NO", "ONE")
	to.to.Store(p.linkB)
	second := w.publisher(at(p.b))
	for range 10 {
		require.NoError(t, second.publish(topic("a")).err)
	}
	follow(t, p.a, p.b)
	w.back(first)
	w.requireKept(first)
	signals := w.key("signals")
	require.Eventually(t, func() bool {
		return fmt.Sprint(p.a.Do("PUBSUB", "NUMSUB", signals)) == fmt.Sprint([]any{signals, 0})
	}, 5*time.Second, 10*time.Millisecond, "the relay is still connected to the demoted primary")
	require.Equal(t, 2, n.tally.of("vouched"))
	require.LessOrEqual(t, len(reader.gaps()), 1)
}

// The node's commands, its relay, and other publishers may each be with another server for a while.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	for title, split := range map[string]func(commands, relay *name, to *redistest.Link) (mend func()){
		"relay on the old primary": func(commands, relay *name, to *redistest.Link) func() {
			relay.to.Store(to)
			commands.move(to)
			return func() {}
		},
		"commands on the old primary": func(commands, relay *name, to *redistest.Link) func() {
			relay.move(to)
			return func() { commands.move(to) }
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			p := startPair(t)
			// Links of their own, so that each can be cut alone.
			commands, relay := leadsTo(p.linkA), leadsTo(redistest.StartLink(t, p.a.Addr))
			w := p.world(t, commands)
			n := w.starting(func(e *redis.Engine) { e.DialRelay(relay.dial) })
			n.awaitReady()
			w.read(n, "", topic("a"))
			own, other := &publisher{world: w, engine: n.engine}, w.publisher(at(p.b))
			require.NoError(t, own.publish(topic("a")).err)
			awaitReplicas(t, p.a, 1)

			p.b.Do("REPLICAOF", "NO", "ONE")
			load := own.stream(100, 1<<20, topic("a"))
			more := other.stream(100, 1<<20, topic("a"))
			mend := split(commands, relay, p.linkB)
			require.Eventually(t, func() bool { return n.tally.of("doubt relay") > 0 }, 5*time.Second, time.Millisecond)
			doubted := w.count()
			require.Eventually(t, func() bool { return w.count() > doubted+50 }, 5*time.Second, time.Millisecond)
			mend()
			w.back(own)
			load.end()
			more.end()
			v := w.requireKept(own)
			require.Zero(t, v.refused)
			require.LessOrEqual(t, v.gaps, 2)
		})
	}
}

// An answer of another server than the one that relays is none while the relay is vouched for: it may know of events that
// the relay does not.
func TestAnswerOfAnotherServerIsADoubt(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	commands, relay := leadsTo(p.linkA), leadsTo(redistest.StartLink(t, p.a.Addr))
	w := p.world(t, commands)
	w.config.CanaryInterval, w.config.CanaryTimeout = 10*time.Second, 20*time.Second
	n := w.starting(func(e *redis.Engine) { e.DialRelay(relay.dial) })
	n.awaitReady()
	old, err := n.engine.Head(t.Context(), 0)
	require.NoError(t, err)

	p.b.Do("REPLICAOF", "NO", "ONE")
	relay.to.Store(p.linkB)
	commands.move(p.linkB)
	head, err := n.engine.Head(t.Context(), 0)
	require.NoError(t, err)
	require.NotEqual(t, old.Timeline(), head.Timeline())
	require.Equal(t, 1, n.tally.of("doubt relay"))
}

// While the relay is in doubt, two reads of a round may be answered by two servers. A page that one of them answers says
// nothing about the events of the other one, up to whose head the reader would go on.
func TestReplayUpToTheHeadOfAnotherServer(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	e := w.engine()
	atA, atB := w.publisher(at(p.a)), w.publisher(at(p.b))
	after := atA.publish(topic("a"))
	require.NoError(t, after.err)
	awaitReplicas(t, p.a, 1)
	p.b.Do("REPLICAOF", "NO", "ONE")
	onlyB := atB.publish(topic("a"))
	require.NoError(t, onlyB.err)
	require.NoError(t, atA.publish(topic("a")).err)
	headA, err := atA.engine.Head(t.Context(), 0)
	require.NoError(t, err)

	replay := func(through event.Position) ([]backplane.Page, error) {
		return e.Replay(t.Context(), []backplane.Query{{Log: topic("a"), After: after.position, Through: through, Limit: 10, Bytes: 1 << 20}})
	}
	to.move(p.linkB)
	headB, err := e.Head(t.Context(), 0)
	require.NoError(t, err)
	require.NotEqual(t, headA.Timeline(), headB.Timeline())
	pages, err := replay(headB)
	require.NoError(t, err)
	require.Len(t, pages[0].Entries, 1)
	require.Equal(t, onlyB.position, pages[0].Entries[0].Position)
	_, err = replay(headA)
	require.ErrorIs(t, err, backplane.ErrUnavailable, "a page up to a place that this history does not have")

	to.move(p.linkA)
	_, err = replay(headB)
	require.ErrorIs(t, err, backplane.ErrUnavailable, "a page without the events of the other server")
}

// Nobody on the promoted replica knows that it lacks something, until a node comes that does. Who went on in between is told
// then.
func TestLossIsProvenLater(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	to := leadsTo(p.linkA)
	w := p.world(t, to)
	knows := w.node()
	pub := &publisher{world: w, engine: knows.engine}
	away := w.read(knows, "", topic("a"))
	require.NoError(t, pub.publish(topic("a")).err)
	require.Eventually(t, func() bool { return away.newest() == 0 }, 5*time.Second, time.Millisecond)
	away.hangUp()
	awaitReplicas(t, p.a, 1)
	p.b.Do("CONFIG", "SET", "masterauth", "wrong")
	p.a.Do("CLIENT", "KILL", "TYPE", "replica") // it cannot come back
	require.NoError(t, pub.publish(topic("a")).err)
	p.b.Do("REPLICAOF", "NO", "ONE")

	other := w.node(at(p.b))
	away.comeBack(other)
	require.NoError(t, w.publisher(at(p.b)).publish(topic("a")).err)
	require.Eventually(t, func() bool { return away.newest() == 2 }, 5*time.Second, time.Millisecond)
	require.Empty(t, away.gaps())
	to.move(p.linkB)
	require.Eventually(t, func() bool { return len(away.gaps()) > 0 }, 5*time.Second, time.Millisecond)
	fresh := w.read(other, "", topic("a"))
	w.requireKept(pub)
	require.Equal(t, []string{"topic:a lost"}, away.gaps())
	require.Empty(t, fresh.gaps())
}

// A call whose reply was lost is found done when it is repeated. That the primary has it says nothing about replicas.
func TestRepeatedCallIsConfirmedByReplicas(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	w := p.world(t, leadsTo(p.linkA))
	pub := w.publisher(atReplica)
	require.NoError(t, pub.publish(topic("a")).err)
	p.b.Freeze()
	calls := func() int {
		text := fmt.Sprint(p.a.Do("INFO", "commandstats"))
		_, text, _ = strings.Cut(text, "cmdstat_fcall:calls=")
		var n int
		_, err := fmt.Sscan(text[:strings.IndexByte(text, ',')], &n)
		require.NoError(t, err)
		return n
	}
	before := calls()
	done := make(chan sent, 1)
	go func() { done <- pub.publish(topic("a")) }() // joined below
	require.Eventually(t, func() bool { return calls() == before+1 }, 5*time.Second, time.Millisecond)
	p.linkA.Cut()
	require.Eventually(t, func() bool { return calls() == before+2 }, 5*time.Second, time.Millisecond)
	require.Never(t, func() bool { return len(done) > 0 }, 500*time.Millisecond, 5*time.Millisecond, "confirmed by a frozen replica")
	require.Len(t, w.entries(p.a, topic("a")), 2)

	p.b.Thaw()
	s := <-done
	require.NoError(t, s.err)
	require.Len(t, w.entries(p.a, topic("a")), 2, "stored twice")
	require.Len(t, w.entries(p.b, topic("a")), 2)
}
