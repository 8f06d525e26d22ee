package integration_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

func redisFaults() []fault {
	killed := within(kept, "always", "everysec", "links", "nginx", "haproxy")
	killed["memory"] = told
	return []fault{
		{
			name: "Redis frozen", does: "SIGSTOP to Redis: connections stay, and nobody answers; then SIGCONT",
			in: within(kept, "always", "everysec", "memory", "links", "nginx", "haproxy"), lasts: 4 * time.Second, harm: freezeRedis,
		},
		{name: "Redis killed", does: "SIGKILL to Redis while its disk is not behind; it is started again a second later", in: killed, lasts: time.Second, harm: killRedis},
		{
			name: "Redis killed, with a slow disk", does: "SIGKILL to Redis while it holds back what its disk has no time for; it is started again a second later",
			in: within(told, "everysec, slow disk"), lasts: time.Second, harm: killSlowRedis,
		},
		{name: "FLUSHALL", does: "all keys are deleted", in: within(told, "always", "memory", "links", "nginx", "haproxy"), harm: flushRedis},
		{name: "functions removed", does: "FUNCTION FLUSH: the library of the nodes is gone", in: everywhere(), harm: flushFunctions},
		{
			name: "memory full", does: "Redis takes nothing more (maxmemory), and then again", lasts: 2 * time.Second,
			in: within(kept, "always", "everysec", "memory", "links", "nginx", "haproxy"), harm: fillRedis,
		},
	}
}

func freezeRedis(w *world, s step) harmed {
	refused, server := count(w.Refused), w.store.server()
	doubts := count(w.doubts)
	server.Freeze()
	pause(w.t, s.lasts())
	server.Thaw()
	h := harmed{since: w.Now()}
	w.awaitGrowth(func() int { return refused() + doubts() })
	h.evidence = evidence(refused()+doubts(), "%d publishes failed and relays in doubt")
	return h
}

// killRedis kills Redis when it holds nothing back. With everysec it may do so at any time that the disk takes; with no it
// never does, and what it has written survives its process all the same.
func killRedis(w *world, s step) harmed {
	server := w.store.server()
	if fsync, ok := server.Do("CONFIG", "GET", "appendfsync").([]any); ok && fsync[1] == "everysec" {
		server.Do("CONFIG", "SET", "appendfsync", "no") // until it starts again
	}
	return killRedisAtOnce(w, s)
}

func killRedisAtOnce(w *world, s step) harmed {
	refused, server := count(w.Refused), w.store.server()
	doubts := count(w.doubts)
	server.Kill()
	pause(w.t, s.lasts())
	server.Restart()
	h := harmed{since: w.Now()}
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed", refused())
	return h
}

func killSlowRedis(w *world, s step) harmed {
	server, heldBack := w.store.server(), 0
	require.Eventually(w.t, func() bool {
		heldBack, _ = strconv.Atoi(server.Info("persistence", "aof_buffer_length"))
		return server.Info("persistence", "aof_pending_bio_fsync") != "0" && heldBack > 4<<10 // more than one turn of its loop
	}, patience, time.Millisecond, "the disk is not slow")
	h := killRedisAtOnce(w, s)
	h.evidence += fmt.Sprintf(", %d bytes held back", heldBack)
	return h
}

func flushRedis(w *world, _ step) harmed {
	server := w.store.server()
	keys, ok := server.Do("DBSIZE").(int64)
	require.True(w.t, ok)
	server.Do("FLUSHALL")
	return harmed{since: w.Now(), evidence: evidence(int(keys), "%d keys deleted")}
}

func flushFunctions(w *world, _ step) harmed {
	server := w.store.server()
	libraries, ok := server.Do("FUNCTION", "LIST").([]any)
	require.True(w.t, ok)
	server.Do("FUNCTION", "FLUSH")
	return harmed{since: w.Now(), evidence: evidence(len(libraries), "%d library removed")}
}

func fillRedis(w *world, s step) harmed {
	refused, server := count(w.Refused), w.store.server()
	server.Do("CONFIG", "SET", "maxmemory", "1")
	pause(w.t, s.lasts())
	w.awaitGrowth(refused)
	server.Do("CONFIG", "SET", "maxmemory", "0")
	return harmed{since: w.Now(), evidence: evidence(refused(), "%d publishes failed")}
}

func failovers() []fault {
	sentinel := map[string]promise{"sentinel": proven, "sentinel, level replica": told}
	cluster := map[string]promise{"cluster": proven, "cluster, level replica": told}
	return []fault{
		{name: "primary killed", does: "SIGKILL to the primary; the sentinels promote its replica; the old one comes back", in: sentinel, costs: 9 * time.Second, harm: killPrimary},
		{name: "primary frozen", does: "SIGSTOP to the primary until its replica has been promoted, then SIGCONT", in: sentinel, costs: 9 * time.Second, harm: freezePrimary},
		{name: "failover by hand", does: "SENTINEL FAILOVER: the old primary takes writes for about ten seconds more", in: sentinel, costs: 11 * time.Second, harm: failOverByHand},
		{
			name: "split brain", does: "a node hears nothing of the failover and publishes on the old primary, the others on the new one, for over ten seconds",
			in: map[string]promise{"sentinel, split": proven, "sentinel, split, level replica": told}, harm: splitBrain,
		},
		{
			name: "clock steps back on promotion", does: "the clock of the replica is ten minutes behind when the primary is killed", alone: true,
			in: within(proven, "sentinel"), harm: stepClockBack,
		},
		{name: "master killed", does: "SIGKILL to the master of the partition; its replica takes over; the old one comes back", in: cluster, costs: 4 * time.Second, harm: killMaster},
		{name: "cluster failover", does: "CLUSTER FAILOVER, in agreement with the master", in: cluster, costs: 1 * time.Second, harm: failOverCluster},
		{name: "slot moved", does: "the slot of the partition moves to another master, half of its keys at first", in: within(kept, "cluster", "cluster, level replica"), lasts: 2 * time.Second, harm: moveSlot},
	}
}

func killPrimary(w *world, _ step) harmed {
	return losePrimary(w, (*redistest.Server).Kill, (*redistest.Server).Restart)
}

func freezePrimary(w *world, _ step) harmed {
	return losePrimary(w, (*redistest.Server).Freeze, (*redistest.Server).Thaw)
}

// losePrimary does harm to the primary until its replica has taken over, and delivery is back.
func losePrimary(w *world, lose, mend func(*redistest.Server)) harmed {
	doubts, refused := count(w.doubts), count(w.Refused)
	old := w.store.sentinel.Primary()
	h := harmed{since: w.Now()}
	lose(old)
	promoted := w.store.sentinel.Primary()
	require.NotEqual(w.t, old, promoted)
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed; another primary", refused())
	w.awaitBack(h.since)
	mend(old)
	require.Equal(w.t, old, w.store.sentinel.Replica())
	return h
}

func stepClockBack(w *world, s step) harmed {
	const behind = 10 * time.Minute
	replica := w.store.sentinel.Replica()
	replica.Kill()
	replica.ShiftClock(-behind)
	replica.Restart()
	require.Equal(w.t, replica, w.store.sentinel.Replica())
	h := killPrimary(w, s)
	at, ok := replica.Do("TIME").([]any)
	require.True(w.t, ok)
	seconds, err := strconv.ParseInt(fmt.Sprint(at[0]), 10, 64)
	require.NoError(w.t, err)
	require.Greater(w.t, time.Since(time.Unix(seconds, 0)), behind-time.Minute)
	h.evidence += ", " + behind.String() + " behind"
	return h
}

func failOverByHand(w *world, _ step) harmed {
	doubts, refused := count(w.doubts), count(w.Refused)
	old := w.store.sentinel.Primary()
	h := harmed{since: w.Now()}
	promoted := w.store.sentinel.Failover()
	require.NotEqual(w.t, old, promoted)
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed; another primary", refused())
	w.awaitBack(h.since)
	require.Equal(w.t, old, w.store.sentinel.Replica())
	return h
}

// splitBrain: the first node talks to its sentinel by a link, which becomes a black hole.
func splitBrain(w *world, _ step) harmed {
	old := w.store.sentinel.Primary()
	w.store.links[0].Blackhole()
	w.store.sentinel.Failover()
	split := w.Now()
	calls := count(func() int { return functionCalls(w, old) })
	asking := old.Client() // it ends all connections when it is demoted
	require.Eventually(w.t, func() bool {
		return strings.Contains(asking.Info(w.t.Context(), "replication").Val(), "role:slave")
	}, patience, 20*time.Millisecond, "the old primary is not demoted")
	h := harmed{since: w.Now()}
	w.store.links[0].Heal()
	// The canaries of the node that has stayed are two a second. At level replica few publishes come besides: each waits in
	// vain for a replica.
	if n := calls(); n > int((h.since - split).Seconds()) {
		h.evidence = evidence(n, "%d calls of the old primary in %.1f s beside the new one", (h.since - split).Seconds())
	}
	require.Equal(w.t, old, w.store.sentinel.Replica())
	return h
}

// functionCalls returns how many functions a server has executed.
func functionCalls(w *world, server *redistest.Server) (n int) {
	_, err := fmt.Sscanf(server.Info("commandstats", "cmdstat_fcall"), "calls=%d,", &n)
	require.NoError(w.t, err)
	return n
}

func killMaster(w *world, _ step) harmed {
	doubts, refused := count(w.doubts), count(w.Refused)
	c := w.store.cluster
	old := c.Master(partition)
	c.ReplicaOf(old) // there has to be one
	h := harmed{since: w.Now()}
	old.Kill()
	promoted := c.Master(partition)
	require.NotEqual(w.t, old, promoted)
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed; another master", refused())
	w.awaitBack(h.since)
	old.Restart()
	require.Equal(w.t, old, c.ReplicaOf(promoted))
	return h
}

func failOverCluster(w *world, _ step) harmed {
	doubts, refused := count(w.doubts), count(w.Refused)
	h := harmed{since: w.Now()}
	w.store.cluster.Failover(partition)
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed; another master", refused())
	return h
}

func moveSlot(w *world, s step) harmed {
	c := w.store.cluster
	doubts, refused := count(w.doubts), count(w.Refused)
	from := c.Master(partition)
	masters := c.Masters()
	to := masters[0]
	if to == from {
		to = masters[1]
	}
	m := c.BeginMigration(partition, to)
	for _, name := range []string{"head", "calls", "keys:0", "keys:1", logName(w.topic(0)), logName(w.topic(1))} {
		m.MoveKeys(keyName(name))
	}
	pause(w.t, s.lasts())
	m.Finish()
	h := harmed{since: w.Now()}
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d publishes failed; another master", refused())
	return h
}

// keyName returns the name of a key of the one partition, and logName that of a log in it.
func keyName(name string) string   { return "pushstream:1:" + partition + ":" + name }
func logName(target string) string { return "log:default:" + target }
