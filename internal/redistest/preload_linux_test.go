package redistest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// requireClock requires that a server's clock is that far ahead.
func requireClock(t *testing.T, ahead time.Duration, s *redistest.Server) {
	t.Helper()
	now, err := s.Client().Time(t.Context()).Result()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(ahead), now, 5*time.Second)
}

func TestShiftClock(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "appendonly yes")
	for _, by := range []time.Duration{90 * time.Minute, -90 * time.Minute, 0} {
		s.ShiftClock(by)
		s.Stop()
		s.Restart()
		requireClock(t, by, s)
	}
}

func TestShiftClockOfAKilledServer(t *testing.T) {
	t.Parallel()
	s := redistest.StartIn(redistest.StartHost(t))
	s.Kill()
	s.ShiftClock(-10 * time.Minute)
	s.Restart()
	requireClock(t, -10*time.Minute, s)
	s.Freeze()
	s.Thaw()
	s.Kill()
	s.Restart()
	requireClock(t, -10*time.Minute, s)
}

// Time passes on a shifted clock as it does elsewhere.
func TestShiftedClockGoesOn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	s.ShiftClock(-time.Hour)
	s.Restart()
	s.Do("SET", "k", "v", "PX", 100)
	begun := time.Now()
	require.Eventually(t, func() bool { return s.Do("GET", "k") == nil }, 10*time.Second, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(begun), 90*time.Millisecond)
	require.Nil(t, s.Do("BLPOP", "none", 0.1))
}

func TestReplicaWithAClockOfItsOwn(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	primary, replica := s.Primary(), s.Replica()
	replica.Stop()
	replica.ShiftClock(-10 * time.Minute)
	replica.Restart()
	require.Equal(t, replica.Addr, s.Replica().Addr)
	requireClock(t, 0, primary)
	requireClock(t, -10*time.Minute, replica)
	set(t, primary, 1)

	require.Equal(t, replica.Addr, s.Failover().Addr)
	require.Equal(t, "v", s.Primary().Do("GET", "k"))
	requireClock(t, -10*time.Minute, s.Primary())
}

func TestShiftClockWithoutTools(t *testing.T) {
	requireFailure(t, "scripts/setup gcc", func(f *failing) {
		s := redistest.Start(f)
		t.Setenv("PATH", "")
		s.ShiftClock(time.Hour)
	})
}

// What a server has answered with OK while it waited for its disk is gone when it is killed.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "appendonly yes", "appendfsync everysec")
	s.Kill()
	s.SlowDisk(30 * time.Second)
	s.Restart()
	s.Do("SET", "first", "v")
	require.Eventually(t, func() bool {
		s.Do("SET", "turn", "v")
		return s.Info("persistence", "aof_pending_bio_fsync") == "1"
	}, 10*time.Second, 10*time.Millisecond)
	s.Do("SET", "last", "v")
	s.Kill()
	s.SlowDisk(0)
	s.Restart()
	require.Equal(t, "v", s.Do("GET", "first"))
	require.Nil(t, s.Do("GET", "last"))
}
