package integration_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// durable are the settings of a Redis that has what it acknowledged, even when it was killed.
var durable = []string{"appendonly yes", "appendfsync always"}

// cluster is three nodes, called one, two and three, that share a Redis, behind nginx.
type cluster struct {
	t     *testing.T
	redis *redistest.Server
	nodes []*node
	nginx *node // where readers and publishers go
}

func startCluster(t *testing.T, redis *redistest.Server, args ...string) *cluster {
	t.Helper()
	nodes := startThree(t, append([]string{"--redis", redis.URL()}, args...)...)
	nginx := balancers[0]
	// As in the file, but what is back is tried sooner.
	front := nginx.start(t, nginx.read(t), nodes, "fail_timeout=5s", "fail_timeout=1s")
	return &cluster{t: t, redis: redis, nodes: nodes, nginx: front.node}
}

// awaitTurn waits until the balancer gives a new stream to a node.
func (c *cluster) awaitTurn(name string) {
	c.t.Helper()
	awaitTurn(c.t, c.nginx, name)
}

// awaitTurn waits until a balancer gives a new stream to a node.
func awaitTurn(t *testing.T, front *node, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		v := newVisitor(t, front.URL).opens("user=nobody")
		defer v.stop()
		return v.node == name
	}, patience, 50*time.Millisecond, "the balancer gives nothing to %s", name)
}

// replace stops a node in an orderly way and starts a program in its place.
func replace(t *testing.T, n *node, program string) *node {
	t.Helper()
	n.stop()
	require.Zero(t, n.exitCode())
	n.cmd.Path = program
	return restart(t, n)
}

// relayed reports whether a node's relay is vouched for, and none of its readers needs the logs.
func (n *node) relayed() bool {
	return n.metric("pushstream_redis_relays_up") == 1 && n.metric("pushstream_connections_catching_up") == 0
}

// doubts returns how often a node's relay could not be vouched for.
func (n *node) doubts() float64 { return n.metric(`pushstream_doubts_total{cause="relay"}`) }

// plainFollow reads GET /events of a node with a client of Go's.
func plainFollow(t *testing.T, n *node, query, lastID string) *follower {
	t.Helper()
	f, _ := httpFollow(t, new(http.Transport), n.URL+"/events?"+query, lastID)
	return f
}

// awaitID waits until a block with an id has come.
func (f *follower) awaitID(id string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.ContainsFunc(f.blocks, func(m message) bool { return m.ID == id && !isControl(m) })
	}, patience, 5*time.Millisecond, "%s has not come", id)
}

func isControl(m message) bool { return strings.HasPrefix(m.Type, "pushstream.") }

// split returns the events among some blocks, and the types of the others.
func split(blocks []message) (events []message, controls string) {
	var others []message
	for _, b := range blocks {
		if isControl(b) {
			others = append(others, b)
		} else {
			events = append(events, b)
		}
	}
	return events, types(others)
}

// tally is what is wrong with what a reader has.
type tally struct{ lost, doubled, misplaced, foreign int }

// tallyOf compares what a reader has with what it should have: each event once, as it was published, in order.
func tallyOf(t *testing.T, got []message, want []published) (wrong tally) {
	t.Helper()
	missing := make(map[string]message)
	for _, p := range want {
		missing[p.id] = message{ID: p.id, Type: p.kind, Data: string(p.data)}
	}
	seen := make(map[string]bool)
	last := ""
	for _, m := range got {
		expected, ok := missing[m.ID]
		switch {
		case seen[m.ID]:
			wrong.doubled++
			continue
		case !ok || m != expected:
			wrong.foreign++
			continue
		case last != "" && !position(t, m.ID).After(position(t, last)):
			wrong.misplaced++
		default:
			last = m.ID
		}
		seen[m.ID] = true
		delete(missing, m.ID)
	}
	wrong.lost = len(missing)
	return wrong
}

// inOrder sorts what was published by its positions.
func inOrder(t *testing.T, all []published) []published {
	t.Helper()
	return slices.SortedFunc(slices.Values(all), func(a, b published) int {
		p, q := position(t, a.id), position(t, b.id)
		return cmp.Or(cmp.Compare(p.Millis(), q.Millis()), cmp.Compare(p.Seq(), q.Seq()))
	})
}

// forTargets returns what was published for some targets.
func forTargets(all []published, targets ...string) (found []published) {
	for _, p := range all {
		if slices.ContainsFunc(p.targets, func(target string) bool { return slices.Contains(targets, target) }) {
			found = append(found, p)
		}
	}
	return found
}
