package integration_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// clusterFeed is a feed through three nodes.
type clusterFeed struct {
	*webhookFeed

	cluster *cluster
	refused atomic.Int64 // how often a delivery was not taken
}

// Everything that can go wrong in a deployment goes wrong while GitHub delivers: readers lose their connections, nodes are
// killed and replaced, Redis is restarted. GitHub delivers again what was not taken.
func TestGitHubWebhooksThroughThreeNodes(t *testing.T) {
	c := startCluster(t, redistest.Start(t, durable...), "--stream-retry", "200ms", "--publish-timeout", "2s")
	f := &clusterFeed{webhookFeed: startFeed(t, c.nginx), cluster: c}
	f.startAll()
	for _, n := range c.nodes {
		require.Positive(t, n.metric("pushstream_connections"), "a node without readers proves nothing")
	}
	for stage, harm := range []func(){
		nil,
		func() { f.loses(c.nodes[0], c.nodes[0].kill) },
		nil,
		func() { f.loses(c.nodes[1], f.drainsTheSecond); c.nodes[1] = restart(t, c.nodes[1]) },
		f.restartsRedis,
		func() { c.nodes[0] = restart(t, c.nodes[0]) },
		func() { f.loses(c.nodes[2], f.restartsRedisWithoutTheThird) },
		nil,
	} {
		if stage == stages/2 {
			f.startLate()
		}
		if harm != nil {
			f.deliverDuring(f.part(stage), harm)
			continue
		}
		comeAndGo(t, f.sorted(), stage, f.backAgain(), func() { f.deliverDuring(f.part(stage), func() {}) })
	}
	require.Equal(t, http.StatusOK, f.deliver(f.deliveries[0])) // delivered again: the same event, not a second one

	all := f.record.since(0)
	all, again := all[:len(all)-1], all[len(all)-1]
	require.Equal(t, all[0], again, "the answer to the second delivery")
	// Of a delivery that was not taken in time, the first publish may have been acknowledged too.
	all = slices.CompactFunc(all, func(a, b published) bool { return a.key == b.key && a.id == b.id })
	requirePublished(t, f.deliveries, all)
	f.end(all, func(fault string) bool {
		return strings.HasPrefix(fault, `pushstream.bye {"reason":"draining"`) || strings.HasPrefix(fault, `pushstream.bye {"reason":"unavailable"`)
	})
	t.Logf("%d deliveries, %d of them not taken at first", len(f.deliveries), f.refused.Load())
}

// deliver delivers until it is taken, or the test ends.
func (f *clusterFeed) deliver(d delivery) (status int) {
	for f.t.Context().Err() == nil {
		var err error
		if status, err = tryDelivery(f.receiver, d); err == nil && status == http.StatusOK {
			return status
		}
		f.refused.Add(1)
		select {
		case <-f.t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return status
}

// deliverDuring delivers a part of the feed, and does harm in the midst of it.
func (f *clusterFeed) deliverDuring(part []delivery, harm func()) {
	f.t.Helper()
	half, done := make(chan struct{}), make(chan struct{})
	f.t.Cleanup(func() { <-done })
	go func() { // joined below, and by the cleanup
		defer close(done)
		for i, d := range part {
			if i == len(part)/2 {
				close(half)
			}
			f.deliver(d)
		}
	}()
	<-half
	harm()
	select {
	case <-done:
	case <-time.After(2 * patience):
		require.Fail(f.t, "deliveries are not taken", "answers to publishes: %q", f.record.refusals())
	}
}

// streams returns how many streams all readers have had.
func (f *clusterFeed) streams() (count int) {
	for r := range f.readers {
		count += r.hellos()
	}
	return count
}

// backAgain returns what says that a reader has come back from all that its own connection suffers from now on. Nodes that
// went have ended other streams before.
func (f *clusterFeed) backAgain() func(*reader) bool {
	others := make(map[*reader]int)
	for r := range f.readers {
		others[r] = r.hellos() - r.proxy.timesCut()
	}
	return func(r *reader) bool { return r.hellos() >= r.proxy.timesCut()+others[r] }
}

// loses does something that ends a node, and waits until its readers are on other nodes.
func (f *clusterFeed) loses(n *node, end func()) {
	f.t.Helper()
	moved, before := int(n.metric("pushstream_connections")), f.streams()
	require.Positive(f.t, moved, "a node without readers proves nothing")
	end()
	require.Zero(f.t, n.status("/livez"))
	back := func() bool { return f.streams() >= before+moved }
	require.Eventually(f.t, back, patience, 10*time.Millisecond, "%d readers have lost their node and are not back", moved)
}

func (f *clusterFeed) drainsTheSecond() {
	n := f.cluster.nodes[1]
	n.signal(syscall.SIGTERM)
	require.Zero(f.t, n.exitCode())
}

// restartsRedis restarts Redis in an orderly way. It is away until a delivery has been refused. No reader loses its stream.
func (f *clusterFeed) restartsRedis() {
	f.t.Helper()
	before := f.streams()
	f.withoutRedis(f.cluster.redis.Stop, func() {
		refused := f.refused.Load()
		require.Eventually(f.t, func() bool { return f.refused.Load() > refused }, patience, time.Millisecond, "deliveries are taken without Redis")
	})
	require.Equal(f.t, before, f.streams())
}

// restartsRedisWithoutTheThird kills Redis, and a node while it is away, whose readers are sent away wherever they come.
func (f *clusterFeed) restartsRedisWithoutTheThird() {
	f.t.Helper()
	f.withoutRedis(f.cluster.redis.Kill, func() {
		f.cluster.nodes[2].kill()
		turnedAway := func() bool {
			refused := `pushstream_streams_refused_total{code="unavailable"}`
			return f.cluster.nodes[0].metric(refused)+f.cluster.nodes[1].metric(refused) > 0
		}
		require.Eventually(f.t, turnedAway, patience, 10*time.Millisecond, "readers of the node have not come to others")
	})
}

// withoutRedis ends Redis, does something while it is away, and starts it again.
func (f *clusterFeed) withoutRedis(end, do func()) {
	f.t.Helper()
	redis := f.cluster.redis
	run := redis.RunID()
	end()
	do()
	redis.Restart()
	require.NotEqual(f.t, run, redis.RunID())
}
