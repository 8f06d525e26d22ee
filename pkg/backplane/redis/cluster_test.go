package redis_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// A failover in agreement loses nothing at any level. It pushes the end of all subscriptions to the relay, which the client
// ignores.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	primary := newTrial(t, clusterURL(c))
	replica := newTrial(t, clusterURL(c), atReplica)
	promoted := c.Failover("{p0}")
	for _, tr := range []*trial{primary, replica} {
		tr.requireHeld(backWithin)
		require.Empty(t, tr.vanished(promoted))
		require.Zero(t, tr.judge().gaps)
	}
}

func TestClusterMasterKilled(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	primary := newTrial(t, clusterURL(c))
	replica := newTrial(t, clusterURL(c), atReplica)
	old := c.Master("{p0}")
	old.Kill()
	promoted := c.Master("{p0}")
	old.Restart() // as the replica that confirms
	primary.requireHeld(backWithin)
	replica.requireHeld(backWithin)
	t.Logf("at level primary %d acknowledged events vanished", len(primary.vanished(promoted)))
	require.Empty(t, replica.vanished(promoted))
}

// When a frozen master is thawed it executes what waited in its connections, and what it relays then reaches the subscribers
// of the master that it had as a replica. None of that is part of the history.
func TestClusterMasterFrozen(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	tr := newTrial(t, clusterURL(c))
	old := c.Master("{p0}")
	awaitReplicas(t, old, 1)
	old.Freeze()
	promoted := c.Master("{p0}")
	began := time.Now()
	tr.awaitFlow()
	require.Less(t, time.Since(began), backWithin, "delivery is not back soon after the promotion")
	for _, n := range tr.nodes {
		require.Eventually(t, func() bool { return n.tally.of("relays") == 1 }, 5*time.Second, 5*time.Millisecond)
	}
	gaps := tr.judge().gaps
	old.Thaw()
	require.Equal(t, old, c.ReplicaOf(promoted))
	tr.requireHeld(thawWithin)
	require.Equal(t, gaps, tr.judge().gaps)
}

// For as long as a slot is being moved, keys that do not exist cannot be made: their events wait. Nobody else does.
func TestClusterMigrationBegun(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	trials := []*trial{newTrial(t, clusterURL(c)), newTrial(t, clusterURL(c), atReplica)}
	m := c.BeginMigration("{p0}", c.Master("{p3}"))
	fresh := make(chan sent, 6)
	for _, tr := range trials {
		for i := range 3 {
			log := topic(fmt.Sprint("new", i))
			tr.read(tr.nodes[0], "", log)
			go func() { fresh <- tr.publisher.publish(log) }() // joined below
		}
	}
	for _, tr := range trials {
		tr.awaitFlow()
	}
	require.Empty(t, fresh)
	m.Finish()
	for range cap(fresh) {
		require.NoError(t, (<-fresh).err)
	}
	for _, tr := range trials {
		tr.requireHeld(time.Second)
		require.Empty(t, tr.vanished(m.To))
		require.Zero(t, tr.judge().gaps)
	}
}

// Half of a slot is moved: what is needed for one log is on the new server, and the other log on the old one.
func TestClusterMigrationUnderLoad(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	trials := []*trial{newTrial(t, clusterURL(c)), newTrial(t, clusterURL(c), atReplica)}
	began := time.Now()
	m := c.BeginMigration("{p0}", c.Master("{p3}"))
	for _, tr := range trials {
		for _, key := range []string{"head", "calls", "keys:0", "keys:1", "log:default:topic:a"} {
			m.MoveKeys(tr.key(key))
		}
	}
	for _, tr := range trials {
		tr.mu.Lock()
		from := len(tr.sent)
		tr.mu.Unlock()
		// The first reader has only the log that was moved. It polls.
		require.Eventually(t, func() bool { return tr.readers[0].newest() > from+200 }, 10*time.Second, 5*time.Millisecond)
		require.NoError(t, tr.publisher.publish(topic("a")).err)
	}
	m.Finish()
	took := time.Since(began) // so long the second reader waits: it has both logs
	for _, tr := range trials {
		tr.requireHeld(took + backWithin)
		require.Empty(t, tr.vanished(m.To))
		require.Zero(t, tr.judge().gaps)
	}
}

// A call that was executed, and whose reply was lost, may be refused when it is repeated, since its keys are on the move. It
// is the same call for all that.
func TestClusterRepeatedCallWhileKeysMove(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	from := c.Master("{p0}")
	link := redistest.StartLink(t, from.Addr)
	w := newWorld(t, clusterURL(c))
	w.config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == from.Addr {
			address = link.Addr
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	p := w.publisher()
	require.NoError(t, p.publish(topic("a")).err)

	m := c.BeginMigration("{p0}", c.Master("{p3}"))
	link.Delay(300 * time.Millisecond)
	done := make(chan sent, 1)
	go func() { done <- p.publish(topic("a")) }() // joined below
	require.Eventually(t, func() bool { return len(w.entries(from, topic("a"))) == 2 }, 5*time.Second, time.Millisecond)
	m.MoveKeys(w.key("log:default:topic:a"))
	link.Delay(0)
	link.Cut()
	require.Eventually(t, func() bool {
		return strings.Contains(fmt.Sprint(from.Do("INFO", "errorstats")), "errorstat_TRYAGAIN")
	}, 5*time.Second, time.Millisecond)
	m.Finish()
	require.NoError(t, (<-done).err)
	require.Len(t, w.entries(m.To, topic("a")), 2, "stored twice")
}

// Every master needs the functions, also one that has been added or has lost everything.
func TestClusterFunctions(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	w := newWorld(t, clusterURL(c))
	w.config.Partitions = 4
	n := w.node()
	p := &publisher{world: w, engine: n.engine}
	careful := w.publisher(atReplica)
	logs := partitionLogs(t, w.config.Partitions)
	for _, log := range logs {
		w.read(n, "", log)
	}
	everywhere := func() {
		t.Helper()
		for _, log := range logs {
			require.NoError(t, p.publish(log).err)
			require.NoError(t, careful.publish(log).err)
		}
		for _, m := range c.Masters() {
			require.NotEmpty(t, m.Do("FUNCTION", "LIST", "LIBRARYNAME", "pushstream_1"))
		}
	}
	everywhere()
	for _, m := range c.Masters() {
		m.Do("FUNCTION", "FLUSH")
	}
	everywhere()

	to := c.Master("{p3}")
	to.Do("FUNCTION", "FLUSH")
	c.BeginMigration("{p0}", to).Finish()
	everywhere()
	require.Zero(t, w.requireKept(p).gaps)

	to.Kill()
	to.Restart()
	w.back(p)
	everywhere()
	require.Equal(t, 2, w.requireKept(p).gaps)
	for _, i := range []int{0, 3} { // what the one that was killed had
		require.Equal(t, []string{"topic:a lost"}, w.readers[i].gaps())
	}
}

// partitionLogs returns a log in each partition.
func partitionLogs(t *testing.T, partitions int) []event.LogName {
	t.Helper()
	logs := make([]event.LogName, partitions)
	for i, found := 0, 0; found < partitions; i++ {
		tenant, err := event.ParseTenant(fmt.Sprint("tenant", i))
		require.NoError(t, err)
		log := &logs[backplane.PartitionOf(tenant, partitions)]
		if *log == (event.LogName{}) {
			*log = event.LogName{Tenant: tenant, Target: topic("a").Target}
			found++
		}
	}
	return logs
}

// At first the slots of p0 and p1 are on the third master, that of p2 on the second, and that of p3 on the first.
func TestClusterPartitions(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, "cluster-require-full-coverage no")
	w := newWorld(t, clusterURL(c))
	w.config.Partitions = 4
	n := w.node()
	p := &publisher{world: w, engine: n.engine}
	for _, log := range partitionLogs(t, w.config.Partitions) {
		w.read(n, "", log)
		defer p.stream(50, 1<<20, log).end()
	}
	w.awaitFlowTo(w.readers...)
	old := c.Master("{p0}")
	require.Equal(t, old, c.Master("{p1}"))
	old.Kill()
	require.NotEqual(t, old, c.Master("{p0}"))
	w.awaitFlowTo(w.readers...)
	require.Zero(t, w.requireKept(p).refused)
	for i, r := range w.readers {
		silence := r.silence()
		t.Logf("partition %d: silent for %v", i, silence)
		if i < 2 {
			require.Less(t, silence, backWithin)
		} else {
			require.Less(t, silence, time.Second, "partition %d was disturbed", i)
		}
	}
}
