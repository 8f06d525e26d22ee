package redistest_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	require.Len(t, s.Addrs, 3)
	require.Len(t, s.Servers, 2)
	old := s.Primary()
	require.NotEqual(t, old.Addr, s.Replica().Addr)
	set(t, old, 1)

	promoted := s.Failover()
	require.NotEqual(t, old.Addr, promoted.Addr)
	require.Equal(t, promoted.Addr, s.Primary().Addr)

	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: s.MasterName, SentinelAddrs: s.Addrs, Protocol: 2})
	defer client.Close()
	got, err := client.Get(t.Context(), "k").Result()
	require.NoError(t, err)
	require.Equal(t, "v", got)
}

func TestSentinelReplacesWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill,
		"frozen": (*redistest.Server).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.StartSentinel(t, 2, "requirepass secret")
			old := s.Primary()
			set(t, old, 2)
			harm(old)
			require.NotEqual(t, old.Addr, s.Primary().Addr)
			require.Equal(t, "v", s.Primary().Do("GET", "k"))
		})
	}
}

// set gives k the value v, also on that many replicas. WAIT is for what its own connection has written.
func set(t *testing.T, s *redistest.Server, replicas int) {
	t.Helper()
	conn := s.Client().Conn()
	require.NoError(t, conn.Set(t.Context(), "k", "v", 0).Err())
	done, err := conn.Wait(t.Context(), replicas, 5*time.Second).Result()
	require.NoError(t, err)
	require.EqualValues(t, replicas, done)
	require.NoError(t, conn.Close())
}
