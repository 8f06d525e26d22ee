package integration_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// seconds is how long a test lasts that can last as long as one likes: PUSHSTREAM_TEST_SECONDS, or so many.
func seconds(t *testing.T, otherwise int) int {
	t.Helper()
	text := os.Getenv("PUSHSTREAM_TEST_SECONDS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// Every second all nodes lose their relays, under load. Readers do not notice.
func TestRelaysKilledEverySecond(t *testing.T) {
	t.Parallel()
	const perSecond, perNode = 500, 10
	server := redistest.Start(t)
	nodes := startThree(t, "--redis", server.URL(), "--retention-length", "10000")
	readers := startReaders(t, nodes[1:], perNode, "topic=news")
	events := startLoad(t, perSecond, func(int) *node { return nodes[0] }, "topic:news")

	second := time.NewTicker(time.Second)
	defer second.Stop()
	kills, killed := seconds(t, 10), int64(0)
	for range kills {
		<-second.C
		n, ok := server.Do("CLIENT", "KILL", "TYPE", "pubsub").(int64)
		require.True(t, ok)
		killed += n
	}
	<-second.C
	all := events.stop()
	require.Empty(t, events.refused(), "publishes were refused")
	require.Greater(t, len(all), kills*perSecond)
	var wrong tally
	for _, r := range readers {
		r.awaitID(all[len(all)-1].id)
		wrong = wrong.plus(requireUndisturbed(t, r, all))
	}
	doubts := nodes[1].doubts() + nodes[2].doubts()
	t.Logf("%d events, %d readers, %d relay connections killed, %v doubts of the readers' nodes: %+v", len(all), len(readers), killed, doubts, wrong)
	require.Equal(t, tally{}, wrong)
	require.GreaterOrEqual(t, killed, int64(2*kills), "not every kill hit")
	require.GreaterOrEqual(t, doubts, float64(2*kills), "not every kill was noticed")
}

// startReaders opens so many streams on each node and waits until they are live.
func startReaders(t *testing.T, nodes []*node, perNode int, query string) (readers []*follower) {
	t.Helper()
	for _, n := range nodes {
		for range perNode {
			readers = append(readers, plainFollow(t, n, query, ""))
		}
	}
	for _, r := range readers {
		r.awaitLive()
	}
	return readers
}

// requireUndisturbed checks that a reader has had one stream, without a gap, and says what is wrong with its events.
func requireUndisturbed(t *testing.T, r *follower, all []published) tally {
	t.Helper()
	blocks, _ := r.received()
	got, controls := split(blocks)
	require.Equal(t, hello+" "+live, controls)
	return tallyOf(t, got, all)
}

func (w tally) plus(v tally) tally {
	return tally{w.lost + v.lost, w.doubled + v.doubled, w.misplaced + v.misplaced, w.foreign + v.foreign}
}

// What the tests of a restart read, and the targets of it.
const ordersQuery = "user=alice&topic=news"

var ordersTargets = []string{"all", "user:alice", "topic:news"}

// recovery is how soon after Redis all has to be as before.
const recovery = 5 * time.Second

// Redis is killed and is away for longer than a node may be without a relay. Everybody waits; nobody misses anything.
func TestRedisRestartedWithItsFile(t *testing.T) {
	t.Parallel()
	r := startRestart(t, durable...)
	r.server.Kill()
	r.events.awaitRefusal("503 Service Unavailable 2")
	requireAway(t, r.nodes)
	// Readiness is lost after 10 s without a relay, unless that is Redis' fault. Native readers would not survive a 503.
	require.Never(t, func() bool {
		for _, n := range r.nodes {
			if n.status("/readyz") != 200 {
				return true
			}
		}
		return false
	}, 11*time.Second, 200*time.Millisecond, "a node is not ready although no other could do better")

	back, _ := r.restarts()
	all := r.events.stop()
	t.Logf("all as before after %v; %d events, answers to publishes that had to be repeated: %v", back, len(all), r.events.refused())
	var wrong tally
	for _, reader := range r.readers {
		wrong = wrong.plus(requireUndisturbed(t, reader, all))
	}
	require.Equal(t, tally{}, wrong)

	// Cursors of the time before are as good as ever, on any node.
	for _, n := range r.nodes {
		f := plainFollow(t, n, ordersQuery, r.cursor)
		blocks := f.awaitLive()
		got, controls := split(blocks)
		require.Equal(t, hello+" "+live, controls)
		require.Equal(t, tally{}, tallyOf(t, got, after(t, all, r.cursor)))
	}
}

// Redis comes back with nothing. Everybody is told, and goes on.
func TestRedisRestartedEmpty(t *testing.T) {
	t.Parallel()
	r := startRestart(t)
	r.server.Kill()
	r.events.awaitRefusal("503 Service Unavailable 2")
	requireAway(t, r.nodes)
	back, recovered := r.restarts()
	all := r.events.stop()
	t.Logf("all as before after %v; %d events, answers to publishes that had to be repeated: %v", back, len(all), r.events.refused())

	lost := slices.IndexFunc(all, func(p published) bool { return position(t, p.id).Timeline() != position(t, r.cursor).Timeline() })
	require.Positive(t, lost)
	for _, reader := range r.readers {
		blocks, _ := reader.received()
		_, controls := split(blocks)
		require.Equal(t, strings.Join([]string{hello, live, gap}, " "), controls, "told once")
		at := slices.IndexFunc(blocks, func(m message) bool { return m.Type == gap })
		requireGap(t, blocks[at], blocks[at-1].ID, "lost", ordersTargets...)
		// With the file, the keys of those are gone whose answer was lost: they were published again, and may have come before.
		before, behind := tallyOf(t, blocks[2:at], all[:lost]), blocks[at+1:]
		require.Zero(t, before.doubled+before.misplaced)
		// The gap is for everything up to when it was told, and that was before all was as usual.
		from := slices.IndexFunc(all, func(p published) bool { return p.id == behind[0].ID })
		require.Equal(t, tally{}, tallyOf(t, behind, all[from:]))
		require.LessOrEqual(t, from, slices.IndexFunc(all, func(p published) bool { return p.id == recovered }))
	}
	for _, n := range r.nodes {
		blocks := plainFollow(t, n, ordersQuery, r.cursor).awaitLive()
		require.Equal(t, hello+" "+gap+" "+live, types(blocks))
		requireGap(t, blocks[1], r.cursor, "lost", ordersTargets...)
	}
}

// restarted is a Redis that is to be restarted, and what goes on meanwhile.
type restarted struct {
	t       *testing.T
	server  *redistest.Server
	run     string // its run id at first
	nodes   []*node
	readers []*follower
	events  *load
	cursor  string // of the time before
}

func startRestart(t *testing.T, settings ...string) *restarted {
	t.Helper()
	server := redistest.Start(t, settings...)
	// Long enough for all that one test publishes.
	nodes := startThree(t, "--redis", server.URL(), "--publish-timeout", "1s", "--retention-length", "10000")
	r := &restarted{t: t, server: server, run: server.RunID(), nodes: nodes, readers: startReaders(t, nodes, 2, ordersQuery)}
	r.events = startLoad(t, 100, func(n int) *node { return nodes[n%len(nodes)] }, ordersTargets...)
	r.events.awaitMore(50)
	r.cursor = cursorOf(t, nodes[0], ordersQuery)
	r.events.awaitMore(50)
	return r
}

// restarts starts Redis again, waits until events arrive by the relay, as before, and returns how long that takes, and the
// first of them.
func (r *restarted) restarts() (took time.Duration, id string) {
	r.t.Helper()
	r.server.Restart()
	require.NotEqual(r.t, r.run, r.server.RunID())
	began := time.Now()
	for _, n := range r.nodes {
		require.Eventually(r.t, n.relayed, recovery, 5*time.Millisecond)
	}
	r.events.awaitMore(1)
	id = curlPublish(r.t, r.nodes[0], "all", 99)
	for _, reader := range r.readers {
		reader.awaitID(id)
	}
	took = time.Since(began)
	require.Less(r.t, took, recovery)
	r.events.adopt(published{id: id, kind: "order.created", targets: []string{"all"}, data: []byte(`{"order": 99}`)})
	r.events.awaitMore(50)
	return took, id
}

// requireAway checks what nodes answer while there is no Redis.
func requireAway(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		require.Equal(t, 200, n.status("/readyz"))
		require.Zero(t, n.metric("pushstream_redis_relays_up"))
		v := newVisitor(t, n.URL).opens("user=late")
		blocks, _ := v.received()
		require.Equal(t, "pushstream.bye", types(blocks))
		require.Regexp(t, `^\{"reason":"unavailable","reconnect_ms":\d+\}$`, blocks[0].Data)
		v.stop() // it would be held for a while
	}
	answer := curl(t, "-i", "-H", "Content-Type: application/json", "-d", orderEvent("topic:away", 1), nodes[0].URL+"/events")
	require.Contains(t, answer, "HTTP/1.1 503 Service Unavailable\r\n")
	require.Contains(t, answer, "\r\nRetry-After: 2\r\n")
	require.Contains(t, answer, `"code":"unavailable"`)
}

// after returns what was published after an id.
func after(t *testing.T, all []published, id string) (later []published) {
	t.Helper()
	for _, p := range all {
		if position(t, p.id).After(position(t, id)) {
			later = append(later, p)
		}
	}
	return later
}
