package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// sinks are streams that take everything at once. Every op of a benchmark waits until so many have taken something.
type sinks struct {
	left atomic.Int64
	all  chan struct{}
}

func (s *sinks) await(n int) { s.left.Store(int64(n)) }

// Address and Closed are what a session has to have.
func (*sinks) Address() string { return "" }

func (*sinks) Closed(string, store.Reason) {}

func (s *sinks) Write(blocks [][]byte) (taken int, err error) {
	for _, b := range blocks {
		taken += len(b)
	}
	if s.left.Add(-1) == 0 {
		s.all <- struct{}{}
	}
	return taken, nil
}

func (*sinks) Close() {}

// benchmarked runs a broker on the embedded backplane until the benchmark ends.
func benchmarked(b *testing.B) *broker.Broker {
	b.Helper()
	engine, err := memory.New(memory.DefaultConfig())
	require.NoError(b, err)
	cfg := broker.DefaultConfig()
	cfg.Store.MaxAge = 0
	br, err := broker.New(cfg, engine, 1, slog.New(slog.DiscardHandler), noMetrics{})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- br.Run(ctx) }() // joined below
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-done)
		engine.Close()
	})
	for br.Ready() != nil {
		runtime.Gosched()
	}
	return br
}

// open opens a stream and returns when it is live.
func (s *sinks) open(b *testing.B, br *broker.Broker, lastEventID string, topics ...string) *store.Conn {
	b.Helper()
	var targets []event.Target
	for _, name := range topics {
		targets = append(targets, topic(name))
	}
	sub, err := br.Subscribe(b.Context(), broker.Request{Tenant: event.DefaultTenant(), Targets: targets, LastEventID: lastEventID})
	require.NoError(b, err)
	s.await(1) // hello, what was missed and live leave together
	conn := sub.Start(s, s)
	<-s.all
	return conn
}

func publish(b *testing.B, br *broker.Broker, name string) event.Position {
	b.Helper()
	result := br.Publish(b.Context(), []backplane.Publication{{
		Tenant: event.DefaultTenant(), Targets: []event.Target{topic(name)}, Event: entry("a", name, 1, 0).Event,
	}})[0]
	require.NoError(b, result.Err)
	return result.Positions[0]
}

// BenchmarkFanOut publishes to one target with many readers: what an event costs until the last stream has taken it.
func BenchmarkFanOut(b *testing.B) {
	for _, readers := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			br, s := benchmarked(b), &sinks{all: make(chan struct{}, 1)}
			for range readers {
				s.open(b, br, "", "all")
			}
			b.ReportAllocs()
			for b.Loop() {
				s.await(readers)
				publish(b, br, "all")
				<-s.all
			}
		})
	}
}

// BenchmarkManyTargets publishes to a hundred of many targets, each with a reader: how many others there are must not matter.
func BenchmarkManyTargets(b *testing.B) {
	for _, targets := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("targets=%d", targets), func(b *testing.B) {
			br, s := benchmarked(b), &sinks{all: make(chan struct{}, 1)}
			for i := range targets {
				s.open(b, br, "", fmt.Sprint("own", i))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 1) % 100
				s.await(1)
				publish(b, br, fmt.Sprint("own", i*(targets/100)))
				<-s.all
			}
		})
	}
}

// BenchmarkReplay has a reader come back that has missed ten events: for the first, which reads the log, and for those behind it.
func BenchmarkReplay(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("kept=%t", kept), func(b *testing.B) {
			br, s := benchmarked(b), &sinks{all: make(chan struct{}, 1)}
			from := publish(b, br, "x").String()
			for range 10 {
				publish(b, br, "x")
			}
			if kept {
				s.open(b, br, from, "x")
				s.open(b, br, from, "x")
			}
			b.ReportAllocs()
			for b.Loop() {
				s.open(b, br, from, "x").Gone(nil)
			}
		})
	}
}
