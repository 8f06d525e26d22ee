package redis_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// heard are signals that a node was given.
type heard struct {
	mu       sync.Mutex
	messages map[string]int
}

// hear returns a node whose signals are noted.
func (w *world) hear() (*node, *heard) {
	w.t.Helper()
	h := &heard{messages: make(map[string]int)}
	n := w.node()
	n.broker.OnSignal(h.take)
	return n, h
}

func (h *heard) take(message []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages[string(message)]++
}

func (h *heard) has(message string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages[message] > 0
}

func TestSignalsReachAllNodes(t *testing.T) {
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	a, heardA := w.hear()
	_, heardB := w.hear()
	third, heardC := w.hear()
	nodes, err := a.engine.Send(t.Context(), 0, []byte("hello"), 0)
	require.NoError(t, err)
	require.Equal(t, 3, nodes)
	for _, h := range []*heard{heardA, heardB, heardC} {
		require.Eventually(t, func() bool { return h.has("hello") }, patience, time.Millisecond)
	}
	third.stop()
	require.Eventually(t, func() bool {
		nodes, err := a.engine.Send(t.Context(), 0, []byte("again"), 0)
		return err == nil && nodes == 2
	}, patience, 10*time.Millisecond)
}

// A node whose relay is lost while signals are sent has them all when it is vouched for again: a refused token is refused
// everywhere.
func TestKeptSignalsOutliveLostRelays(t *testing.T) {
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	a, heardA := w.hear()
	_, heardB := w.hear()
	killer := s.Client()
	const signals = 100
	killed := int64(0)
	for i := range signals {
		if i%10 == 0 { // both are back from the time before
			last := strconv.Itoa(i - 1)
			require.Eventually(t, func() bool { return i == 0 || heardA.has(last) && heardB.has(last) }, patience, time.Millisecond)
			n, err := killer.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
			require.NoError(t, err)
			killed += n
		}
		_, err := a.engine.Send(t.Context(), 0, []byte(strconv.Itoa(i)), time.Hour)
		require.NoError(t, err)
	}
	require.Greater(t, killed, int64(10))
	for i := range signals {
		for _, h := range []*heard{heardA, heardB} {
			require.Eventually(t, func() bool { return h.has(strconv.Itoa(i)) }, patience, time.Millisecond, "signal %d", i)
		}
	}
}

// A store that is full takes no events, but somebody can be logged out.
func TestSignalsWorkWhenMemoryIsFull(t *testing.T) {
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	a, h := w.hear()
	s.Do("CONFIG", "SET", "maxmemory", "1")
	_, err := a.engine.Send(t.Context(), 0, []byte("out"), time.Hour)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return h.has("out") }, patience, time.Millisecond)
}
