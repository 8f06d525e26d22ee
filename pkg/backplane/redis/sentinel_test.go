package redis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// The sentinels promote a replica while the old primary goes on, and takes events until everybody has left it.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	awaitReplicas(t, s.Primary(), 1)
	primary := newTrial(t, sentinelURL(s))
	replica := newTrial(t, sentinelURL(s), atReplica)
	s.Failover()
	demoteSoon(s) // until then no replica is left to confirm
	primary.requireHeld(backWithin)
	replica.requireHeld(backWithin)
	t.Logf("at level primary %d acknowledged events vanished", len(primary.vanished(s.Primary())))
	require.Empty(t, replica.vanished(s.Primary()))
}

// demoteSoon makes the sentinels demote a primary that has been replaced within a second, and not after ten. It is for
// after a failover: a sentinel that does not know of the new primary yet would demote that one.
func demoteSoon(s *redistest.Sentinel) {
	for _, one := range s.Sentinels {
		one.Do("SENTINEL", "DEBUG", "INFO-PERIOD", 200)
		one.Do("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 100)
	}
}

func TestSentinelPrimaryKilled(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 2)
	awaitReplicas(t, s.Primary(), 2)
	primary := newTrial(t, sentinelURL(s))
	replica := newTrial(t, sentinelURL(s), atReplica)
	s.Primary().Kill()
	promoted := s.Primary()
	primary.requireHeld(backWithin)
	replica.requireHeld(backWithin)
	t.Logf("at level primary %d acknowledged events vanished", len(primary.vanished(promoted)))
	require.Empty(t, replica.vanished(promoted))
}

// A frozen primary keeps its connections. When it is thawed it takes itself for the primary for a while.
func TestSentinelPrimaryFrozen(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	tr := newTrial(t, sentinelURL(s))
	old := s.Primary()
	awaitReplicas(t, old, 1)
	old.Freeze()
	promoted := s.Primary()
	began := time.Now()
	tr.awaitFlow()
	require.Less(t, time.Since(began), backWithin, "delivery is not back soon after the promotion")

	relays := func() (n int) {
		for _, node := range tr.nodes {
			n += node.tally.of("vouched")
		}
		return n
	}
	require.Eventually(t, func() bool { return relays() >= 4 }, patience, 5*time.Millisecond)
	for _, node := range tr.nodes {
		node.awaitReady()
	}
	settled := relays()
	old.Thaw()
	demoteSoon(s)
	require.Equal(t, old, s.Replica())
	tr.requireHeld(thawWithin)
	require.Equal(t, settled, relays(), "a relay was connected again")
	require.Equal(t, []any{tr.key("signals"), int64(0)}, old.Do("PUBSUB", "NUMSUB", tr.key("signals")), "somebody follows the old primary")
	require.Equal(t, []any{tr.key("signals"), int64(3)}, promoted.Do("PUBSUB", "NUMSUB", tr.key("signals")))
}

// What a replica did not have when it was promoted is lost. Whoever may have missed it is told, once.
func TestSentinelLaggingReplica(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	w := newWorld(t, sentinelURL(s))
	n, other := w.node(), w.node()
	p := &publisher{world: w, engine: n.engine}
	live := w.read(n, "", topic("a"), topic("b"))
	away := w.read(other, "", topic("a"), topic("b"))
	for range 10 {
		require.NoError(t, p.publish(topic("a")).err)
	}
	require.Eventually(t, func() bool { return away.newest() == 9 }, 5*time.Second, 5*time.Millisecond)
	away.hangUp()
	old, replica := s.Primary(), s.Replica()
	awaitReplicas(t, old, 1)

	replica.Do("CONFIG", "SET", "masterauth", "wrong")
	old.Do("CLIENT", "KILL", "TYPE", "replica") // it cannot come back
	for range 10 {
		require.NoError(t, p.publish(topic("a")).err)
	}
	careful := w.publisher(atReplica, func(c *redis.Config) { c.PublishTimeout = 300 * time.Millisecond })
	require.Error(t, careful.publish(topic("a")).err, "acknowledged without a replica")
	require.Eventually(t, func() bool { return live.newest() == 20 }, 5*time.Second, 5*time.Millisecond)

	old.Kill()
	require.Equal(t, replica, s.Primary())
	w.back(p)
	require.Equal(t, []string{"topic:a lost", "topic:b lost"}, live.gaps())
	away.comeBack(other)
	fresh := w.read(other, "", topic("a"), topic("b"))
	v := w.requireKept(p)
	require.Len(t, w.vanished(replica), 10)
	require.Equal(t, []string{"topic:a lost", "topic:b lost"}, away.gaps(), "its cursor was before what is lost")
	require.Empty(t, fresh.gaps())
	require.Equal(t, 4, v.gaps)
}
