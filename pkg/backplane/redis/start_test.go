package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestRedisIsAbsentAtTheStart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	s.Kill()
	n := w.starting(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r := n.engine.Publish(ctx, []backplane.Publication{numbered(topic("a"), 0, 0)})[0]
	require.ErrorIs(t, r.Err, backplane.ErrUnavailable)
	require.ErrorIs(t, n.broker.Ready(), broker.ErrStarting)

	s.Restart()
	n.awaitReady()
	w.read(n, "", topic("a"))
	w.requireKept(w.publisher())
}

// What no waiting puts right ends Run, with what to do about it.
func TestRunRefusesServersThatWouldBreakThePromise(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]struct {
		settings []string
		url      func(s *redistest.Server) string
		change   func(c *redis.Config)
		texts    []string
	}{
		"evicts keys": {
			settings: []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"},
			texts:    []string{"allkeys-lru", "set maxmemory-policy noeviction", "allow eviction"},
		},
		"no password": {
			settings: []string{"requirepass secret"},
			url:      func(s *redistest.Server) string { return "redis://" + s.Addr },
			texts:    []string{"NOAUTH", "put the user and the password into the URL"},
		},
		"wrong password": {
			settings: []string{"requirepass secret"},
			url:      func(s *redistest.Server) string { return "redis://:wrong@" + s.Addr },
			texts:    []string{"WRONGPASS", "check the user and the password"},
		},
		"no functions": {
			settings: []string{"rename-command FCALL NONE"},
			texts:    []string{"unknown command", "Redis 7 or Valkey 7 or later is needed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, refused.settings...)
			w := newWorld(t, s.URL())
			if refused.url != nil {
				w.config.URL = refused.url(s)
			}
			err := ran(t, w.engine())
			for _, text := range refused.texts {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestEvictionMayBeAllowed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "maxmemory 100mb", "maxmemory-policy allkeys-lru")
	w := newWorld(t, s.URL())
	w.config.AllowEviction = true
	w.node()
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	n := w.node()
	w.read(n, "", topic("a"))
	other := w.engine(func(c *redis.Config) { c.Partitions = 4 })
	const text = "LAYOUT this deployment has 1 partitions and not 4; configure every node with the same number of partitions"
	require.ErrorContains(t, ran(t, other), text)
	publication := numbered(topic("a"), 0, 0)
	for i := 0; backplane.PartitionOf(publication.Tenant, 4) != 0; i++ {
		tenant, err := event.ParseTenant(fmt.Sprint("tenant-", i))
		require.NoError(t, err)
		publication.Tenant = tenant
	}
	require.ErrorContains(t, other.Publish(t.Context(), []backplane.Publication{publication})[0].Err, text)
	_, err := other.Join(t.Context(), []event.LogName{{Tenant: publication.Tenant, Target: topic("a").Target}})
	require.ErrorContains(t, err, text)
	w.requireKept(w.publisher())
	require.Equal(t, 1, n.tally.of("vouched"))
}

// A full server refuses publishers, who are told what to do. Reading goes on.
func TestServerIsFull(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	n := w.node()
	w.read(n, "", topic("a"))
	p := w.publisher()
	first := p.publish(topic("a"))
	require.NoError(t, first.err)
	s.Do("CONFIG", "SET", "maxmemory", "1")
	began := time.Now()
	refused := p.publish(topic("a"))
	require.ErrorIs(t, refused.err, backplane.ErrUnavailable)
	require.ErrorContains(t, refused.err, "OOM")
	require.ErrorContains(t, refused.err, "raise maxmemory")
	require.Less(t, time.Since(began), 2*time.Second, "it is not repeated")
	again := w.read(n, first.position.String(), topic("a"))
	stranger := w.read(n, "", topic("b"))
	require.Eventually(t, func() bool {
		return len(again.all()) == 2 && len(stranger.all()) == 2 // hello, live
	}, patience, 5*time.Millisecond)
	canaries := n.tally.of("canaries")
	require.Eventually(t, func() bool { return n.tally.of("canaries") > canaries+3 }, patience, 5*time.Millisecond)

	s.Do("CONFIG", "SET", "maxmemory", "0")
	v := w.requireKept(p)
	require.Zero(t, v.gaps)
	require.Equal(t, 1, n.tally.of("vouched"))
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	w.config.Acknowledge, w.config.Replicas = redis.AcknowledgeReplica, 2
	var log bytes.Buffer
	e, err := redis.New(w.config, slog.New(slog.NewTextHandler(&log, nil)), nothing{})
	require.NoError(t, err)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		vouched := make(chan struct{}, 1)
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx, told{vouched: vouched}) }() // joined below
		<-vouched
		cancel()
		require.NoError(t, <-done)
	}
	require.NoError(t, e.Close())
	for _, text := range []string{"the server keeps no append-only file", "set appendonly yes", "the server has 0 replicas and 2 have to confirm"} {
		require.Equal(t, 1, strings.Count(log.String(), text), "%q in\n%s", text, log.String())
	}
}

// told is a sink that puts a token into a channel when it is told that the relay is vouched for.
type told struct {
	ignored

	vouched chan struct{}
}

func (s told) Vouched(backplane.Partition, event.Position) {
	select {
	case s.vouched <- struct{}{}:
	default:
	}
}

// A node whose relay does not work, although Redis answers, says so: another one may do better. Where Redis is away, none
// can.
func TestStalled(t *testing.T) {
	t.Parallel()
	const while = 500 * time.Millisecond
	t.Run("rights are taken away", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		s.Do("ACL", "SETUSER", "node", "on", "nopass", "allcommands", "allkeys", "allchannels")
		w := newWorld(t, s.URL())
		n := w.node(func(c *redis.Config) { c.URL = "redis://node:any@" + s.Addr })
		w.read(n, "", topic("a"))
		p := w.publisher()
		require.NoError(t, p.publish(topic("a")).err)
		require.Zero(t, n.engine.Stalled())
		s.Do("ACL", "SETUSER", "node", "resetchannels")
		require.Eventually(t, func() bool { return n.engine.Stalled() > while }, patience, time.Millisecond)
		require.Less(t, w.back(p), 5*time.Second, "readers get their events from the logs")
		require.Greater(t, n.engine.Stalled(), while)
		s.Do("ACL", "SETUSER", "node", "allchannels")
		require.Eventually(t, func() bool { return n.engine.Stalled() == 0 }, patience, time.Millisecond)
		w.requireKept(p)
	})
	t.Run("no relay from the start", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		w := newWorld(t, s.URL())
		n := w.starting(func(e *redis.Engine) {
			e.DialRelay(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way") })
		})
		require.Eventually(t, func() bool { return n.engine.Stalled() > while }, patience, time.Millisecond)
		s.Kill()
		require.Eventually(t, func() bool { return n.engine.Stalled() == 0 }, patience, time.Millisecond)
		require.Never(t, func() bool { return n.engine.Stalled() > 0 }, while, time.Millisecond)
		n.stop()
		require.Zero(t, n.engine.Stalled())
	})
	t.Run("Redis is away", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		w := newWorld(t, s.URL())
		n := w.node()
		w.read(n, "", topic("a"))
		s.Kill()
		require.Eventually(t, func() bool { return n.tally.of("relays") == 0 && n.tally.of("reads failed") > 0 }, patience, time.Millisecond)
		require.Never(t, func() bool { return n.engine.Stalled() > 0 }, while, time.Millisecond)
	})
	t.Run("nobody runs it", func(t *testing.T) {
		t.Parallel()
		e := newWorld(t, redistest.Shared(t).URL()).engine()
		_, err := e.Head(t.Context(), 0)
		require.NoError(t, err)
		require.Zero(t, e.Stalled())
	})
}
