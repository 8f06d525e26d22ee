package redistest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

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
		info, err := s.Client().Info(t.Context(), "persistence").Result()
		require.NoError(t, err)
		return strings.Contains(info, "aof_pending_bio_fsync:1")
	}, 10*time.Second, 10*time.Millisecond)
	s.Do("SET", "last", "v")
	s.Kill()
	s.SlowDisk(0)
	s.Restart()
	require.Equal(t, "v", s.Do("GET", "first"))
	require.Nil(t, s.Do("GET", "last"))
}
