package integration_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

// goClient returns a client of this module's for some nodes, in turns.
func goClient(t *testing.T, nodes ...*node) *client.Client {
	t.Helper()
	cfg := client.DefaultConfig()
	for _, n := range nodes {
		cfg.URLs = append(cfg.URLs, n.URL)
	}
	cfg.Attempts, cfg.AttemptTimeout = 100, 5*time.Second
	cfg.BackoffMin, cfg.BackoffMax = 20*time.Millisecond, 200*time.Millisecond
	c, err := client.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// goSubscriber collects what a Stream hands over. It is safe for concurrent use.
type goSubscriber struct {
	t      *testing.T
	stream *client.Stream
	ended  chan struct{}

	mu     sync.Mutex
	events []client.Event
	gaps   []client.Gap
	opened []string // the nodes that it was on
	live   int
	err    error
}

func goSubscribe(t *testing.T, c *client.Client, sub client.Subscription) *goSubscriber {
	t.Helper()
	s := &goSubscriber{t: t, ended: make(chan struct{})}
	sub.OnGap = func(g client.Gap) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gaps = append(s.gaps, g)
	}
	sub.OnState = func(state client.State) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state.Phase {
		case client.PhaseOpen:
			s.opened = append(s.opened, state.Node)
		case client.PhaseLive:
			s.live++
		case client.PhaseWaiting:
		}
	}
	var err error
	s.stream, err = c.Subscribe(t.Context(), sub)
	require.NoError(t, err)
	go func() { // ends with the stream; joined by stop
		defer close(s.ended)
		for e, err := range s.stream.Events() {
			s.mu.Lock()
			if s.err = err; err == nil {
				s.events = append(s.events, e)
			}
			s.mu.Unlock()
		}
	}()
	t.Cleanup(s.stop)
	s.await("live", func() bool { return s.live > 0 })
	return s
}

func (s *goSubscriber) stop() {
	_ = s.stream.Close()
	<-s.ended
}

// await waits until something holds.
func (s *goSubscriber) await(what string, holds func() bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return holds()
	}, 60*time.Second, 5*time.Millisecond, "not %s", what)
}

// numbers returns the events of a target: their data, which are numbers.
func (s *goSubscriber) numbers(target string) (numbers []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Target == target {
			var n int
			require.NoError(s.t, json.Unmarshal(e.Data, &n))
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// Every node is killed, or drained, and started again, while the Go client publishes by, and reads from, all of them. Every event is
// there once; those that were published one after the other are in order.
func TestGoClientWhileNodesComeAndGo(t *testing.T) {
	t.Parallel()
	const single, batch = "topic:single", "topic:batch"
	nodes := startThree(t, "--redis", redistest.Start(t).URL(), "--stream-retry", "100ms", "--retention-length", "10000", "--publish-timeout", "2s")
	c := goClient(t, nodes...)
	readers := []*goSubscriber{
		goSubscribe(t, c, client.Subscription{Topics: []string{"single", "batch"}}),
		goSubscribe(t, goClient(t, nodes[1], nodes[2], nodes[0]), client.Subscription{Topics: []string{"batch", "single"}, Buffer: 100}),
	}

	stopped := make(chan struct{})
	var group sync.WaitGroup
	singles, batched := 0, 0
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	going := func() bool {
		select {
		case <-stopped:
			return false
		case <-pace.C:
			return !t.Failed()
		}
	}
	group.Go(func() {
		for ; going(); singles++ {
			if _, err := c.Publish(t.Context(), client.Publication{Targets: []string{single}, Type: "order.created", Data: singles}); err != nil {
				t.Errorf("event %d: %v", singles, err)
			}
		}
	})
	group.Go(func() {
		for going() {
			var events []client.Publication
			for range 5 {
				events = append(events, client.Publication{Targets: []string{batch}, Type: "order.created", Data: batched})
				batched++
			}
			if _, err := c.PublishBatch(t.Context(), events); err != nil {
				t.Errorf("batch up to %d: %v", batched, err)
			}
		}
	})
	readOn := func() {
		for _, r := range readers {
			one, other := len(r.numbers(single))+50, len(r.numbers(batch))+50
			require.Eventually(t, func() bool { return len(r.numbers(single)) > one && len(r.numbers(batch)) > other }, patience, 5*time.Millisecond)
		}
	}
	for i, n := range nodes {
		readOn()
		if i == 1 {
			nodes[i] = replace(t, n, n.cmd.Path)
		} else {
			nodes[i] = restart(t, n)
		}
	}
	readOn()
	close(stopped)
	group.Wait()

	t.Logf("%d events one by one, %d in batches", singles, batched)
	for _, r := range readers {
		r.await("at the end", func() bool { return len(r.events) >= singles+batched })
		r.stop()
		require.NoError(t, r.err)
		require.Empty(t, r.gaps)
		require.Greater(t, len(r.opened), 1, "it never had to come back")
		require.Equal(t, upTo(singles), r.numbers(single))
		require.ElementsMatch(t, upTo(batched), r.numbers(batch))
	}
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

// What one Stream was given is what the next one begins behind, on another node.
func TestGoClientResumesOnAnotherNode(t *testing.T) {
	t.Parallel()
	nodes := startThree(t, "--redis", redistest.Start(t).URL())
	publisher := goClient(t, nodes[0])
	first := goSubscribe(t, goClient(t, nodes[1]), client.Subscription{User: "alice"})
	for i := range 10 {
		_, err := publisher.Publish(t.Context(), client.Publication{Targets: []string{"user:alice"}, Type: "order.created", Data: i})
		require.NoError(t, err)
	}
	first.await("given some", func() bool { return len(first.events) >= 5 })
	first.stop()
	cursor, given := first.stream.LastEventID(), len(first.events)

	second := goSubscribe(t, goClient(t, nodes[2]), client.Subscription{User: "alice", LastEventID: cursor})
	second.await("given the others", func() bool { return given+len(second.events) >= 10 })
	second.stop()
	require.Equal(t, []string{"two"}, first.opened)
	require.Equal(t, []string{"three"}, second.opened)
	require.Equal(t, upTo(10), append(first.numbers("user:alice"), second.numbers("user:alice")...))
	require.Empty(t, second.gaps)
}

// A node that keeps events in its own memory loses them with its process. The Go client is told, and goes on.
func TestGoClientIsToldOfAGap(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--stream-retry", "100ms")
	s := goSubscribe(t, goClient(t, n), client.Subscription{User: "alice", Topics: []string{"news"}})
	n.publish(`{"target": "user:alice", "type": "order.created", "data": 1}`)
	s.await("given", func() bool { return len(s.events) == 1 })
	n = restart(t, n)
	s.await("told", func() bool { return len(s.gaps) > 0 && s.live == 2 })
	require.Equal(t, event.GapLost, s.gaps[0].Reason)
	require.ElementsMatch(t, []string{"all", "user:alice", "topic:news"}, s.gaps[0].Targets)
	n.publish(`{"target": "user:alice", "type": "order.created", "data": 2}`)
	s.await("given", func() bool { return len(s.events) == 2 })
	require.Len(t, s.gaps, 1)
}

// A consumer that does not consume ends in the node's catching up. It gets everything, once and in order.
func TestGoClientThatIsSlow(t *testing.T) {
	t.Parallel()
	const count = 3000
	n := startNode(t, "--retention-length", "10000")
	c := goClient(t, n)
	stream, err := c.Subscribe(t.Context(), client.Subscription{Topics: []string{"news"}, Buffer: 10})
	require.NoError(t, err)
	defer stream.Close()
	require.Eventually(t, func() bool { return stream.LastEventID() != "" }, patience, 5*time.Millisecond)
	beginning := stream.LastEventID()

	var events []client.Publication
	for i := range count {
		events = append(events, client.Publication{
			Targets: []string{"topic:news"}, Type: "order.created", Data: fmt.Sprintf("%d %s", i, strings.Repeat("x", 8<<10)),
		})
	}
	results, err := c.PublishBatch(t.Context(), events)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return n.metric("pushstream_connections_catching_up") == 1 }, patience, 20*time.Millisecond)
	require.Equal(t, beginning, stream.LastEventID())

	got := 0
	for e, err := range stream.Events() {
		require.NoError(t, err)
		require.Nil(t, e.Gap)
		require.Equal(t, results[got].ID, e.ID)
		if got++; got == count {
			break
		}
	}
}
