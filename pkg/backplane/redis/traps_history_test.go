package redis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// pass waits for d.
func pass(d time.Duration) { <-time.After(d) }

// The server stands still for four seconds, with all its connections. Calls that were sent to it in the meantime are executed
// late, and so are their repetitions.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	w.config.CanaryTimeout = 300 * time.Millisecond
	n := w.node()
	w.read(n, "", topic("a"), topic("b"))
	w.read(n, "", topic("b"))
	p, q := w.publisher(), w.publisher()
	events, more := p.stream(200, 1200, topic("a"), topic("b")), q.stream(50, 300, topic("b"))
	require.Eventually(t, func() bool { return n.tally.of("delivered") > 100 }, patience, 5*time.Millisecond)

	s.Freeze()
	thaw := time.After(4 * time.Second)
	require.Eventually(t, func() bool { return n.tally.of("relays") == 0 }, 1900*time.Millisecond, time.Millisecond,
		"it does not wait the two seconds of a call")
	<-thaw
	require.Zero(t, n.tally.of("relays"))
	s.Thaw()
	require.Less(t, w.back(p), 5*time.Second)
	events.wait()
	more.wait()
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Greater(t, v.acknowledged, 1500)
}

// A log is cut to its length while a slow reader is in the middle of it, and another one goes away altogether.
func TestLogsAreTrimmedAndExpireUnderReaders(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for reason, change := range map[string]func(*redis.Config){
		"trimmed": func(c *redis.Config) { c.RetentionLength = 30 },
		"expired": func(c *redis.Config) { c.RetentionAge = 500 * time.Millisecond },
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.URL())
			change(&w.config)
			n := w.node()
			p := w.publisher()
			p.padding = 4 << 10 // so that no round has all
			r := &reader{world: w, logs: []event.LogName{topic("a"), topic("b")}}
			first := p.publish(topic("a"))
			require.NoError(t, first.err)
			p.publish(topic("b"))
			for range 25 {
				p.publish(topic("a"))
			}
			r.last = first.position.String()
			r.connect(n, 20<<10)
			w.readers = append(w.readers, r)
			require.Eventually(t, func() bool { return r.newest() >= 3 }, patience, 5*time.Millisecond)
			require.Empty(t, r.gaps(), "so far it has all")
			if reason == "expired" {
				key := n.engine.Channel(topic("a"))
				require.Eventually(t, func() bool { return s.Do("EXISTS", key) == int64(0) }, patience, 5*time.Millisecond)
			}
			p.stream(1<<20, 50, topic("a")).wait()
			r.give(plenty)
			v := w.requireKept(p)
			require.Positive(t, v.gaps)
			require.Contains(t, r.gaps(), "topic:a "+reason)
			if reason == "trimmed" {
				require.NotContains(t, r.gaps(), "topic:b "+reason, "nothing of it was cut off")
			}
			told := len(r.gaps())
			p.publish(topic("a"))
			w.requireKept(p)
			require.Len(t, r.gaps(), told, "it goes on from there")
		})
	}
}

// The store loses everything: by a command, or because it is started again with nothing. With an append-only file that is
// written before the acknowledgement it loses nothing.
func TestTheStoreForgets(t *testing.T) {
	t.Parallel()
	for name, forgets := range map[string]struct {
		settings []string
		harm     func(*redistest.Server)
		loses    bool
	}{
		"FLUSHALL": {harm: func(s *redistest.Server) { s.Do("FLUSHALL") }, loses: true},
		"restart":  {harm: restart, loses: true},
		"restart with an append-only file": {
			settings: []string{"appendonly yes", "appendfsync always"}, harm: restart,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, forgets.settings...)
			w := newWorld(t, s.URL())
			n := w.node()
			w.read(n, "", topic("a"), topic("b"))
			w.read(n, "", topic("b"))
			p := w.publisher()
			events := p.stream(200, 600, topic("a"), topic("b"))
			require.Eventually(t, func() bool { return n.tally.of("delivered") > 100 }, patience, 5*time.Millisecond)
			old := w.reading()[1].cursor()

			forgets.harm(s)
			require.Less(t, w.back(p), 5*time.Second)
			events.wait()
			v := w.settle(p)
			t.Log(v)
			require.Zero(t, v.refused, "%v", v.refusal)
			require.Empty(t, v.missing)
			require.Empty(t, v.disordered)
			require.Zero(t, v.ended)
			again := w.read(n, old, topic("b"))
			require.Empty(t, w.settle(p).missing)
			if forgets.loses {
				// What was executed, and not answered before the end, is executed again: nobody remembers it.
				require.Equal(t, []string{"topic:a lost", "topic:b lost"}, w.reading()[0].gaps())
				require.Equal(t, []string{"topic:b lost"}, w.reading()[1].gaps())
				require.Equal(t, []string{"topic:b lost"}, again.gaps())
			} else {
				require.Empty(t, v.doubled)
				require.Zero(t, v.gaps)
				require.Empty(t, again.gaps())
			}
		})
	}
}

func restart(s *redistest.Server) {
	s.Kill()
	s.Restart()
}

// The store is restored from a copy that is older than what was acknowledged. What nodes know of it makes it tell everybody
// who may have missed something, and nobody else.
func TestTheStoreIsRestoredFromAnOlderState(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	n := w.node()
	live := w.read(n, "", topic("a"), topic("b"))
	p := w.publisher()
	long := p.publish(topic("a")) // the cursor of somebody who left before the copy
	p.publish(topic("b"))
	s.Do("SAVE")
	p.stream(1<<20, 20, topic("a"), topic("b")).wait()
	short := p.publish(topic("b")) // and of somebody who left behind it
	require.NoError(t, long.err)
	require.NoError(t, short.err)
	w.requireKept(p)

	restart(s) // with what it saved
	require.Less(t, w.back(p), 5*time.Second)
	require.Eventually(t, func() bool { return n.tally.of("relays") == 1 }, patience, 5*time.Millisecond)
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Equal(t, []string{"topic:a lost", "topic:b lost"}, live.gaps())

	away, stranger := w.read(n, long.position.String(), topic("a")), w.read(n, short.position.String(), topic("b"))
	fresh := w.read(n, "", topic("a"), topic("b"))
	w.requireKept(p)
	require.Equal(t, []string{"topic:a lost"}, away.gaps(), "what it has survived, and yet it missed what was lost")
	require.Equal(t, []string{"topic:b lost"}, stranger.gaps())
	require.Empty(t, fresh.gaps())
	for _, r := range []*reader{live, away, stranger, fresh} {
		told := len(r.gaps())
		r.comeBack(n)
		w.requireKept(p)
		require.Len(t, r.gaps(), told, "once is enough")
	}
}
