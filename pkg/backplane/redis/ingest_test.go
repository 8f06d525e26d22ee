package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// ingesting is an engine that ingests, and what it was given to publish.
type ingesting struct {
	*redis.Engine

	prefix string
	client *goredis.Client
	stop   func()

	mu   sync.Mutex
	took []backplane.Publication
}

func startIngest(t *testing.T, prefix string) *ingesting {
	t.Helper()
	config := redis.DefaultConfig()
	config.URL, config.Prefix = redistest.Shared(t).URL(), prefix
	in := &ingesting{Engine: newEngine(t, config), prefix: prefix, client: redistest.Shared(t).Client()}
	t.Cleanup(func() { require.NoError(t, in.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // joined by stop
		defer close(done)
		in.Ingest(ctx, in.publish)
	}()
	in.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(in.stop)
	return in
}

func (in *ingesting) publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	in.mu.Lock()
	in.took = append(in.took, publications...)
	in.mu.Unlock()
	return in.Publish(ctx, publications)
}

func (in *ingesting) taken() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.took)
}

func (in *ingesting) add(t *testing.T, values ...any) {
	t.Helper()
	require.NoError(t, in.client.XAdd(t.Context(), &goredis.XAddArgs{Stream: in.prefix + ":ingest", Values: values}).Err())
}

// awaitEmpty waits until nothing is left in the stream.
func (in *ingesting) awaitEmpty(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := in.client.XLen(t.Context(), in.prefix+":ingest").Result()
		return err == nil && n == 0
	}, 20*time.Second, 5*time.Millisecond)
}

func TestIngestPublishesAndPutsAside(t *testing.T) {
	in := startIngest(t, redistest.Prefix(t))
	in.add(t, "target", "user:42", "type", "order.created", "data", `{"id":7}`, "tenant", "shop", "key", "k", "meta", `{"by":"x"}`)
	in.add(t, "target", "topic:news", "type", "news.told", "text", "so \"it\" is\n")
	in.add(t, "target", "nobody", "type", "order.created", "data", "1")
	in.awaitEmpty(t)

	require.Equal(t, 2, in.taken())
	first, second := in.took[0], in.took[1]
	require.Equal(t, "shop user:42 order.created {\"id\":7} {\"by\":\"x\"} k",
		fmt.Sprint(first.Tenant, " ", first.Targets[0], " ", first.Event.Type, " ", first.Event.Data, " ", first.Event.Meta, " ", first.Key))
	require.Equal(t, `"so \"it\" is\n"`, second.Event.Data.String())
	require.Regexp(t, `^ingest:\d+-\d+$`, second.Key)

	put, err := in.client.XRange(t.Context(), "{"+in.prefix+":ingest}:malformed", "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, put, 1)
	require.Equal(t, "nobody", put[0].Values["field:target"])
	require.Contains(t, put[0].Values["reason"], "topic:NAME")
	pending, err := in.client.XPending(t.Context(), in.prefix+":ingest", "pushstream").Result()
	require.NoError(t, err)
	require.Zero(t, pending.Count, "everything is acknowledged")
}

// A node that stops gives the lease back, so that nothing waits until it would have ended.
func TestIngestLeaseIsGivenBack(t *testing.T) {
	first := startIngest(t, redistest.Prefix(t))
	first.add(t, "target", "all", "type", "a.b", "data", "1")
	first.awaitEmpty(t)
	second := startIngest(t, first.prefix)
	first.stop()
	began := time.Now()
	first.add(t, "target", "all", "type", "a.b", "data", "2")
	second.awaitEmpty(t)
	require.Less(t, time.Since(began), 7*time.Second, "the lease has 10 s")
	require.Equal(t, 1, second.taken())
}

func TestIngestReadsNothingElse(t *testing.T) {
	good := map[string]any{"target": "user:42", "type": "a.b", "data": "1"}
	_, err := redis.ParseIngest(good)
	require.NoError(t, err)
	for want, change := range map[string]map[string]any{
		"target is missing":                  {"target": nil},
		"type is missing":                    {"type": nil},
		"one of data and text":               {"data": nil},
		"one of data and text is":            {"text": "too"},
		"it is not UTF-8":                    {"data": nil, "text": "\xff"},
		"JSON: ":                             {"data": "{"},
		"it is not an object":                {"meta": "[]"},
		"tenant":                             {"tenant": "a b"},
		"reserved":                           {"type": "pushstream.hello"},
		`the name "kye" is not target, type`: {"kye": "k"},
	} {
		values := make(map[string]any)
		for _, source := range []map[string]any{good, change} {
			for name, value := range source {
				if values[name] = value; value == nil {
					delete(values, name)
				}
			}
		}
		_, err := redis.ParseIngest(values)
		require.ErrorContains(t, err, want)
	}
}

func FuzzParseIngest(f *testing.F) {
	f.Add("target", "user:42", "type", "order.created", "data", `{"id":7}`)
	f.Add("target", "all", "type", "a.b", "text", "a\r\nb")
	f.Add("tenant", "x", "key", "\x00", "meta", "{}")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string) {
		p, err := redis.ParseIngest(map[string]any{n1: v1, n2: v2, n3: v3})
		if err != nil {
			return
		}
		require.Len(t, p.Targets, 1)
		require.False(t, p.Targets[0].IsZero())
		require.NotEqual(t, event.Type{}, p.Event.Type)
		require.False(t, p.Event.Data.IsZero())
		require.False(t, strings.ContainsAny(p.Event.Data.String()+p.Event.Meta.String(), "\r\n"), "it is one line of a stream")
	})
}
