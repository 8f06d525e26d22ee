package redis_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// watch is what others notice of a server while something goes on.
type watch struct {
	stop chan struct{}
	work sync.WaitGroup

	slowest time.Duration // the longest PING; to be read after end
	buffers int           // the largest output buffer of a subscriber, in bytes
}

// observe begins to ask a server every millisecond how it does.
func observe(t *testing.T, s *redistest.Server) *watch {
	t.Helper()
	w := &watch{stop: make(chan struct{})}
	client := s.Client()
	require.NoError(t, client.Ping(t.Context()).Err())
	ask := func(every time.Duration, question func()) {
		w.work.Go(func() { // joined by end
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				select {
				case <-w.stop:
					return
				case <-ticker.C:
					question()
				}
			}
		})
	}
	ask(time.Millisecond, func() {
		began := time.Now()
		if client.Ping(t.Context()).Err() == nil {
			w.slowest = max(w.slowest, time.Since(began))
		}
	})
	ask(5*time.Millisecond, func() {
		list := client.Do(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub").String()
		for field := range strings.FieldsSeq(list) {
			if bytes, found := strings.CutPrefix(field, "omem="); found {
				n, _ := strconv.Atoi(bytes)
				w.buffers = max(w.buffers, n)
			}
		}
	})
	return w
}

func (w *watch) end() {
	close(w.stop)
	w.work.Wait()
}

// A node with a hundred thousand readers of different targets asks for all of them, and again after its connection was
// lost. Redis has no time for anybody else while it executes a command, and keeps in memory what it has not sent.
func TestAHundredThousandTargets(t *testing.T) {
	const targets = 100_000
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	n := w.node(func(c *redis.Config) {
		c.CanaryTimeout = time.Minute
		c.Linger = 100 * time.Millisecond
	})
	r := w.read(n, "", topic("a"))
	p := w.publisher()
	logs := make([]event.LogName, targets)
	for i := range logs {
		logs[i] = topic(fmt.Sprint("of-one-reader-", i))
	}

	quiet := func(what string, do func()) {
		t.Helper()
		watch := observe(t, s)
		began := time.Now()
		do()
		took := time.Since(began)
		watch.end()
		t.Logf("%s: %v, slowest PING %v, at most %d bytes in the server's buffers", what, took.Round(time.Millisecond), watch.slowest, watch.buffers)
		require.Less(t, watch.slowest, time.Second, "generous: the machine may be busy with other things")
		require.Less(t, watch.buffers, 1<<20)
		require.Less(t, took, 20*time.Second)
	}
	quiet("join", func() {
		_, err := n.engine.Join(t.Context(), logs)
		require.NoError(t, err)
	})
	require.Equal(t, 1, n.tally.of("vouched"))
	usual := regexp.MustCompile(`latency_percentiles_usec_subscribe:p50=([0-9]+)`).FindStringSubmatch(s.Client().Info(t.Context(), "latencystats").Val())
	require.Len(t, usual, 2)
	micros, err := strconv.Atoi(usual[1])
	require.NoError(t, err)
	t.Logf("the usual SUBSCRIBE takes Redis %d µs", micros)
	require.Less(t, micros, 20_000, "all at once takes 112,000")
	s.Do("CLIENT", "KILL", "TYPE", "pubsub") // Redis takes its time to forget so many channels
	quiet("join again", func() {
		require.Eventually(t, func() bool { return n.tally.of("vouched") == 2 }, 20*time.Second, time.Millisecond)
		require.EqualValues(t, 1, s.Do("PUBLISH", n.engine.Channel(logs[targets-1]), "{}"))
	})
	require.Less(t, w.back(p), 2*time.Second)
	n.engine.Leave(logs)
	quiet("leave", func() {
		require.Eventually(t, func() bool { return subscribed(t, s) == 3 }, 20*time.Second, 100*time.Millisecond, "a, signals, canaries")
	})
	w.requireKept(p)
	require.Equal(t, 2, n.tally.of("vouched"))
	require.Empty(t, r.gaps())
}
