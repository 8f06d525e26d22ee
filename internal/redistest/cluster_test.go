package redistest_test

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	require.Len(t, c.Addrs, 6)
	require.Equal(t, c.Servers[:3], c.Masters())
	for i := range 3 {
		require.Equal(t, c.Servers[3+i].Addr, c.ReplicaOf(c.Servers[i]).Addr)
	}
	client := clusterClient(t, c)
	for _, key := range []string{"a", "b", "c", "{a}2"} {
		require.NoError(t, client.Set(t.Context(), key, key, 0).Err())
		require.Equal(t, key, c.Master(key).Do("GET", key))
	}
	require.Equal(t, c.Slot("a"), c.Slot("{a}2"))
}

func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, "requirepass secret")
	old := c.Master("k")
	old.Do("SET", "k", "v")
	promoted := c.Failover("k")
	require.NotEqual(t, old.Addr, promoted.Addr)
	require.Equal(t, promoted.Addr, c.Master("k").Addr)
	require.Equal(t, old.Addr, c.ReplicaOf(promoted).Addr)

	promoted.Kill()
	require.Equal(t, old.Addr, c.Master("k").Addr)
	require.Equal(t, "v", old.Do("GET", "k"))
	promoted.Restart()
	require.Equal(t, promoted.Addr, c.ReplicaOf(old).Addr)
}

func TestClusterMigration(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	from := c.Master("{k}")
	to := c.Masters()[0]
	if to == from {
		to = c.Masters()[1]
	}
	for _, key := range []string{"{k}1", "{k}2", "{k}3"} {
		from.Do("SET", key, "v")
	}

	m := c.BeginMigration("{k}", to)
	m.MoveKeys("{k}1")
	require.ErrorContains(t, from.Client().Get(t.Context(), "{k}1").Err(), "ASK")
	require.Equal(t, "v", from.Do("GET", "{k}2"))
	require.ErrorContains(t, to.Client().Get(t.Context(), "{k}1").Err(), "MOVED")
	require.ErrorContains(t, from.Client().MGet(t.Context(), "{k}1", "{k}2").Err(), "TRYAGAIN")
	require.Equal(t, from.Addr, c.Master("{k}").Addr)

	m.Finish()
	require.Equal(t, to.Addr, c.Master("{k}").Addr)
	require.Equal(t, "v", to.Do("GET", "{k}3"))
	require.ErrorContains(t, from.Client().Get(t.Context(), "{k}1").Err(), "MOVED")
	require.Equal(t, "v", clusterClient(t, c).Get(t.Context(), "{k}2").Val())
}

func clusterClient(t *testing.T, c *redistest.Cluster) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: slices.Clone(c.Addrs), Protocol: 2})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}
