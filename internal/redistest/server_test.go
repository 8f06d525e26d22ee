package redistest_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	require.Equal(t, "PONG", s.Do("PING"))
	require.Equal(t, "redis://"+s.Addr+"/0", s.URL())
	require.NoError(t, s.Client().Set(t.Context(), "k", "v", 0).Err())
	require.Equal(t, "v", s.Do("GET", "k"))
	require.Nil(t, s.Do("GET", "none"))
	require.NotEqual(t, s.RunID(), redistest.Start(t).RunID())
}

func TestStartWithSettings(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "maxmemory-policy allkeys-lru", "requirepass secret")
	require.Equal(t, []any{"maxmemory-policy", "allkeys-lru"}, s.Do("CONFIG", "GET", "maxmemory-policy"))
	require.Equal(t, "redis://:secret@"+s.Addr+"/0", s.URL())

	client := redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2})
	defer client.Close()
	require.ErrorContains(t, client.Get(t.Context(), "k").Err(), "NOAUTH")
}

func TestFrozenServerKeepsSilence(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client()
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())

	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.Error(t, client.Get(ctx, "k").Err())

	s.Thaw()
	require.Equal(t, "v", client.Get(t.Context(), "k").Val())
}

func TestRestart(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(*redistest.Server){
		"killed":              (*redistest.Server).Kill,
		"stopped":             (*redistest.Server).Stop,
		"stopped when frozen": func(s *redistest.Server) { s.Freeze(); s.Stop() },
		"killed when frozen":  func(s *redistest.Server) { s.Freeze(); s.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, "appendonly yes", "appendfsync always")
			s.Do("SET", "k", "v")
			before := s.RunID()
			down(s)
			require.Error(t, s.Client().Ping(t.Context()).Err())

			s.Restart()
			require.Equal(t, "v", s.Do("GET", "k"))
			require.NotEqual(t, before, s.RunID())

			down(s)
			s.Wipe()
			s.Restart()
			require.Nil(t, s.Do("GET", "k"))
		})
	}
}

func TestRestartWaitsForItsPort(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	other, err := net.Listen("tcp", s.Addr)
	require.NoError(t, err)
	closed := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() { closed <- other.Close() })
	s.Restart()
	require.NoError(t, <-closed)
	require.Equal(t, "PONG", s.Do("PING"))
}

func TestRestartWithoutPersistenceLosesAll(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("SET", "k", "v")
	s.Kill()
	s.Restart()
	require.Nil(t, s.Do("GET", "k"))
}

func TestShared(t *testing.T) {
	t.Parallel()
	a, b := redistest.Shared(t), redistest.Shared(t)
	require.Equal(t, a.RunID(), b.RunID())
	require.Equal(t, a.URL(), b.URL())
	a.Do("SET", redistest.Prefix(t), "v", "PX", 10_000)
	prefix := redistest.Prefix(t)
	require.NotEqual(t, prefix, redistest.Prefix(t))
}
