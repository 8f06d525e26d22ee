package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/app"
	"github.com/pushstream/pushstream/internal/bench"
	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/internal/redistest"
)

// node starts a node in this process and returns its URL. It ends with the test, or by drain.
func node(t *testing.T, change func(*config.Config)) (url string, drain func()) {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin = "127.0.0.1:0", ""
	cfg.Drain.Window, cfg.Drain.ReconnectRate = 0, 1_000_000
	if change != nil {
		change(&cfg)
	}
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	drain = sync.OnceFunc(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	t.Cleanup(drain)
	url = "http://" + a.Address()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	require.Eventually(t, func() bool { // who comes before is told to come back later
		answer, err := (&http.Client{Transport: transport}).Get(url + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 20*time.Second, time.Millisecond)
	return url, drain
}

// short returns a configuration that tests have the patience for.
func short(urls ...string) bench.Config {
	cfg := bench.DefaultConfig()
	cfg.URLs = urls
	cfg.Warmup, cfg.Duration, cfg.Settle = 100*time.Millisecond, 500*time.Millisecond, 20*time.Second
	return cfg
}

func TestNothingIsLostAtANode(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bench.Config){
		"sockets":    func(cfg *bench.Config) { cfg.Batch = 1 },
		"goroutines": func(cfg *bench.Config) { cfg.Goroutines, cfg.Batch, cfg.Rate = true, 10, 500 },
		"HTTP/2":     func(cfg *bench.Config) { cfg.HTTP2 = true },
		"unbridled": func(cfg *bench.Config) {
			cfg.Rate, cfg.Duration, cfg.Publishers, cfg.Size = 0, 200*time.Millisecond, 1, 1000
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := node(t, func(cfg *config.Config) { cfg.Retention.Length = 100_000 })
			cfg := short(url)
			cfg.Readers, cfg.Targets = 200, 10
			change(&cfg)
			asked := time.Now()
			r, err := bench.Run(t.Context(), cfg)
			require.NoError(t, err)
			require.NoError(t, r.Err())
			require.Greater(t, r.Began, asked.Add(cfg.Warmup))
			require.Less(t, r.Began, time.Now().Add(-cfg.Duration))
			require.Equal(t, 200, r.Connected)
			require.Equal(t, uint64(200), r.Connects.Count)
			require.NotZero(t, r.Published)
			require.Equal(t, r.Published*20, r.Delivered, "20 readers of each target")
			require.Equal(t, r.Acknowledged.Count*20, r.Deliveries.Count, "without the warm-up, too")
			require.Less(t, r.Acknowledged.Count, r.Published)
			require.Zero(t, r.Lost+r.Doubled+r.OutOfOrder+r.Skipped+r.Doubtful)
			require.Zero(t, r.Reconnects+r.Failures+r.Gaps)
			require.Positive(t, r.Deliveries.P50)
			require.LessOrEqual(t, r.Deliveries.P50, r.Deliveries.P99)
			require.LessOrEqual(t, r.Deliveries.P999, r.Deliveries.Max)
			require.Positive(t, r.Deliveries.PerSecond)
			outputs(t, r)
		})
	}
}

// outputs checks that a report can be read by programs.
func outputs(t *testing.T, r bench.Report) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, r.WriteJSON(&text))
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text.Bytes(), &fields))
	require.EqualValues(t, r.Delivered, fields["delivered"])
	require.Contains(t, fields["deliveries"], "p999_ms")

	text.Reset()
	require.NoError(t, r.WriteSVG(&text))
	require.NotContains(t, text.String(), "NaN")
	require.NotContains(t, text.String(), "Inf")
	paths := 0
	for decoder := xml.NewDecoder(&text); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	require.Greater(t, paths, 6)

	text.Reset()
	require.NoError(t, r.WriteTable(&text))
	require.Regexp(t, `(?m)^lost +0$`, text.String())
}

// Readers of a node that drains go on at another one, behind what they had.
func TestReadersOfANodeThatDrainsMissNothing(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	share := func(cfg *config.Config) {
		cfg.Redis = config.Secret(redis.URL())
		cfg.Backplane.Prefix = "bench-test"
	}
	stays, _ := node(t, share)
	goes, drain := node(t, share)
	cfg := short(goes, stays)
	cfg.Readers, cfg.Duration = 200, time.Second
	drained := make(chan struct{})
	begun := false
	cfg.Progress = func(p bench.Progress) {
		if p.Phase == "publishing" && !begun {
			begun = true
			go func() { // joined below
				defer close(drained)
				drain()
			}()
		}
	}
	r, err := bench.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.True(t, begun)
	<-drained
	require.NoError(t, r.Err(), "%+v", r)
	require.Zero(t, r.Lost+r.Skipped+r.Doubtful)
	require.Equal(t, 100, r.Reconnects, r.Reasons)
	require.Equal(t, 100, r.Reasons["bye: draining"])
	require.GreaterOrEqual(t, r.Delivered, r.Published*20)
}

// Readers whose stream is too old go on at the same node.
func TestReadersOfStreamsThatEndMissNothing(t *testing.T) {
	t.Parallel()
	url, _ := node(t, func(cfg *config.Config) { cfg.Stream.MaxAge = time.Second })
	cfg := short(url)
	cfg.Duration, cfg.Goroutines = time.Second, true // the test above has sockets
	r, err := bench.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, r.Err())
	require.NotZero(t, r.Reconnects)
	require.Equal(t, r.Reconnects, r.Reasons["bye: max_age"], r.Reasons)
	require.Equal(t, r.Published*10, r.Delivered)
}

// A signal ends publishing, and what was published is reported.
func TestAnEarlyEndIsReported(t *testing.T) {
	t.Parallel()
	url, _ := node(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := short(url)
	cfg.Duration = time.Hour
	cfg.Progress = func(p bench.Progress) {
		if p.Phase == "publishing" && p.Delivered > 100 {
			cancel()
		}
	}
	r, err := bench.Run(ctx, cfg)
	require.NoError(t, err)
	require.NoError(t, r.Err())
	require.True(t, r.Interrupted)
	require.Equal(t, r.Published*10, r.Delivered)
	require.Less(t, r.Seconds, 60.0)
}
