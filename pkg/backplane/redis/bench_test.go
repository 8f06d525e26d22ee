package redis_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// benched returns an engine on an empty prefix.
func benched(b *testing.B) *redis.Engine {
	b.Helper()
	config := redis.DefaultConfig()
	config.URL, config.Prefix = redistest.Shared(b).URL(), redistest.Prefix(b)
	e, err := redis.New(config, slog.New(slog.DiscardHandler), nothing{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, e.Close()) })
	_, err = e.Head(b.Context(), 0)
	require.NoError(b, err)
	return e
}

// sized returns so many publications, of 512 bytes each, for ten logs.
func sized(count int) []backplane.Publication {
	all := make([]backplane.Publication, count)
	for i := range all {
		all[i] = numbered(topic(strconv.Itoa(i%10)), i, 480)
	}
	return all
}

func publishAll(b *testing.B, e *redis.Engine, publications []backplane.Publication) {
	b.Helper()
	for _, r := range e.Publish(b.Context(), publications) {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}

func perEvent(b *testing.B, events int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}

// BenchmarkPublish has one publisher that waits for each answer, with one event or 64 at once.
func BenchmarkPublish(b *testing.B) {
	for _, count := range []int{1, 64} {
		b.Run(fmt.Sprintf("events=%d", count), func(b *testing.B) {
			e := benched(b)
			publications := sized(count)
			b.ReportAllocs()
			for b.Loop() {
				publishAll(b, e, publications)
			}
			perEvent(b, b.N*count)
		})
	}
}

// BenchmarkPublishers has 64 publishers that wait for each answer, with one event each: what they publish is committed
// together.
func BenchmarkPublishers(b *testing.B) {
	const publishers = 64
	e := benched(b)
	publications := sized(publishers)
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() { // joined below
			for n := i; n < b.N; n += publishers {
				if r := e.Publish(b.Context(), publications[i:i+1])[0]; r.Err != nil {
					b.Error(r.Err)
					return
				}
			}
		})
	}
	all.Wait()
	perEvent(b, b.N)
}

// BenchmarkReplay reads a page of 100 events, or ten pages of ten.
func BenchmarkReplay(b *testing.B) {
	for _, logs := range []int{1, 10} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			e := benched(b)
			after, err := e.Head(b.Context(), 0)
			require.NoError(b, err)
			queries := make([]backplane.Query, logs)
			for i := range queries {
				queries[i] = backplane.Query{Log: topic(strconv.Itoa(i)), After: after, Limit: 100, Bytes: 1 << 20}
			}
			for i := range 100 {
				publishAll(b, e, []backplane.Publication{numbered(queries[i%logs].Log, i, 480)})
			}
			head, err := e.Head(b.Context(), 0)
			require.NoError(b, err)
			for i := range queries {
				queries[i].Through = head
			}
			b.ReportAllocs()
			for b.Loop() {
				pages, err := e.Replay(b.Context(), queries)
				if err != nil || len(pages[0].Entries) != 100/logs {
					b.Fatal(len(pages), err)
				}
			}
			perEvent(b, b.N*100)
		})
	}
}

// BenchmarkParseMessage reads what comes over the relay.
func BenchmarkParseMessage(b *testing.B) {
	text := `a1b2c3d4.1770091506078-3 1770091506070-0 order.created 0 {"n":1,"padding":"` + strings.Repeat("x", 480) + `"}`
	log := topic("a")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := redis.ParseMessage(log, text); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(text)))
}
