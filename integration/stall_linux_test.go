package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	stallReaders = 20
	stallRate    = 4000 // events a second
	stallEvents  = 20_000
	stallSize    = 1 << 10
	stallBatch   = 100
	// flat is by how much a node's memory may grow while a reader stalls: less than the events that the reader is owed.
	flat = 16 << 20
)

// A reader that stops reading on a busy topic costs the node nothing and the others no time. Afterwards it gets what the
// logs have.
func TestStalledReader(t *testing.T) {
	for name, retention := range map[string]int{"history is long enough": 25_000, "history is too short": 5000} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, "--retention-length", strconv.Itoa(retention))
			f := newFeed(t, n)
			f.publish(t, retention, 0) // from here on the log is as long as it will be
			readers := make([]*timedReader, stallReaders)
			for i := range readers {
				readers[i] = f.timed(t)
			}
			stalling, valve := f.stalling(t)

			first := f.count
			f.publish(t, stallEvents/4, stallRate)
			calm := n.rss(t)
			begin := f.count
			valve.close()
			readOn := sync.OnceFunc(valve.open)
			defer readOn() // also when the test fails in between
			busy := f.publish(t, stallEvents, stallRate)
			require.GreaterOrEqual(t, n.metric("pushstream_connections_catching_up"), 1.0, "the reader has not stalled")
			end := f.count
			readOn()
			f.publish(t, stallEvents/10, stallRate)
			last := f.count - 1

			before, during := make([]time.Duration, 0, stallReaders*(begin-first)), make([]time.Duration, 0, stallReaders*(end-begin))
			for _, r := range readers {
				delays := r.awaitEvent(t, last)
				before, during = append(before, delays[:begin-first]...), append(during, delays[begin-first:end-first]...)
			}
			t.Logf("memory: %d MB before, at most %d MB during the stall", calm>>20, busy>>20)
			t.Logf("delay before: median %v, 99%% %v; during the stall: median %v, 99%% %v",
				percentile(before, 50), percentile(before, 99), percentile(during, 50), percentile(during, 99))
			require.Less(t, busy-calm, flat)
			require.Less(t, percentile(during, 99), 10*percentile(before, 99)+500*time.Millisecond)
			f.requireHonest(t, stalling, first, last, retention)
		})
	}
}

// feed is a busy topic whose events have consecutive numbers and the time at which they were published.
type feed struct {
	node   *node
	client *http.Client
	start  time.Time
	count  int
}

func newFeed(t *testing.T, n *node) *feed {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &feed{node: n, client: &http.Client{Transport: transport}, start: time.Now()}
}

// publish publishes so many events, at a rate per second unless that is 0, and returns the most memory that the node had.
func (f *feed) publish(t *testing.T, count, rate int) (most int) {
	t.Helper()
	interval := time.Nanosecond
	if rate > 0 {
		interval = time.Second * stallBatch / time.Duration(rate)
	}
	pause := time.NewTicker(interval)
	defer pause.Stop()
	padding := strings.Repeat("x", stallSize-100)
	for range count / stallBatch {
		<-pause.C
		events := make([]string, stallBatch)
		for i := range events {
			events[i] = fmt.Sprintf(`{"target": "topic:busy", "type": "feed.grown", "data": [%d,%d,%q]}`, f.count, time.Since(f.start), padding)
			f.count++
		}
		publishBatch(t, f.client, f.node, events)
		most = max(most, f.node.rss(t))
	}
	return most
}

// timedReader notes how long after its publication each event came. All have to come, in order.
type timedReader struct {
	first int // the number of the first event

	mu     sync.Mutex
	delays []time.Duration
	err    error
}

func (f *feed) timed(t *testing.T) *timedReader {
	t.Helper()
	conn, body, err := dialStream(f.node, "topic=busy")
	require.NoError(t, err)
	r := &timedReader{first: f.count}
	done := make(chan struct{})
	go func() { // joined by the cleanup
		defer close(done)
		lines := bufio.NewReaderSize(body, 64<<10)
		for r.err == nil {
			line, err := lines.ReadSlice('\n')
			now := time.Since(f.start)
			r.mu.Lock()
			if r.err = err; err == nil {
				r.err = r.line(line, now)
			}
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return r
}

func (r *timedReader) line(line []byte, now time.Duration) error {
	if !bytes.HasPrefix(line, []byte("data: [")) {
		return nil
	}
	fields := strings.SplitN(string(line[len("data: ["):60]), ",", 3)
	published, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || fields[0] != strconv.Itoa(r.first+len(r.delays)) {
		return fmt.Errorf("behind %d events comes %.60q", len(r.delays), line)
	}
	r.delays = append(r.delays, now-time.Duration(published))
	return nil
}

// awaitEvent waits for an event and returns the delays of all up to there.
func (r *timedReader) awaitEvent(t *testing.T, number int) (delays []time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		delays = r.delays
		return r.first+len(delays) > number || r.err != nil
	}, patience, 10*time.Millisecond)
	require.NoError(t, r.err)
	return delays
}

// valve begins no reading while it is closed.
type valve struct {
	io.Reader

	mu sync.Mutex
}

func (v *valve) close() { v.mu.Lock() }
func (v *valve) open()  { v.mu.Unlock() }

func (v *valve) Read(b []byte) (int, error) {
	v.mu.Lock()
	v.mu.Unlock() //nolint:staticcheck // to wait is all that is wanted
	return v.Reader.Read(b)
}

// stalling returns a reader, and what makes it stop reading.
func (f *feed) stalling(t *testing.T) (*follower, *valve) {
	t.Helper()
	conn, body, err := dialStream(f.node, "topic=busy")
	require.NoError(t, err)
	v := &valve{Reader: body}
	return follow(t, "", func(ctx context.Context) (io.Reader, func(), error) {
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		return v, func() { stop(); _ = conn.Close() }, nil
	}), v
}

// requireHonest checks that a reader has had every event, or a gap in place of those that it has not had, up to the last.
func (f *feed) requireHonest(t *testing.T, r *follower, first, last, retention int) {
	t.Helper()
	var blocks []message
	require.Eventually(t, func() bool {
		blocks, _ = r.received()
		return strings.HasPrefix(blocks[len(blocks)-1].Data, fmt.Sprintf("[%d,", last))
	}, patience, 10*time.Millisecond)
	next, gaps := first, 0
	for i, b := range blocks {
		switch b.Type {
		case hello, live:
			require.Less(t, i, 2)
			continue
		case gap:
			requireGap(t, b, blocks[i-1].ID, "trimmed", "topic:busy")
			gaps++
			continue
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(b.Data, "["), ",")
		number, err := strconv.Atoi(text)
		require.NoError(t, err)
		if blocks[i-1].Type == gap {
			require.Greater(t, number, next+retention, "a gap that is none")
			t.Logf("the gap has %d events", number-next)
			next = number
		}
		require.Equal(t, next, number, "lost without a gap, or given twice")
		next++
	}
	if retention > stallEvents {
		require.Zero(t, gaps)
	} else {
		require.Positive(t, gaps)
	}
}

func percentile(values []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)*percent/100].Round(100 * time.Microsecond)
}
