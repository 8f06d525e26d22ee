package metrics_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/metrics"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

var update = flag.Bool("update", false, "write golden files")

var (
	_ broker.Metrics = (*metrics.Metrics)(nil)
	_ redis.Metrics  = (*metrics.Redis)(nil)
)

func newMetrics(t *testing.T) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	require.NoError(t, err)
	_, err = m.Redis()
	require.NoError(t, err)
	return m, registry
}

// scrape returns what /metrics answers.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(body)
}

// names returns type, name and help of the node's own metrics, a line each.
func names(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	var lines []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "pushstream_") {
			lines = append(lines, fmt.Sprintf("%s %s: %s", strings.ToLower(f.GetType().String()), f.GetName(), f.GetHelp()))
		}
	}
	return lines
}

func TestNamesAreAContract(t *testing.T) {
	_, registry := newMetrics(t)
	have := strings.Join(names(t, registry), "\n") + "\n"
	const golden = "testdata/metrics.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(have), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), have, "go test ./internal/metrics -update, if a name may change")
}

func TestNamesFollowTheConventions(t *testing.T) {
	_, registry := newMetrics(t)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestReferenceExplainsEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	_, registry := newMetrics(t)
	documented := regexp.MustCompile("`(pushstream_[a-z_]+)`").FindAllStringSubmatch(string(text), -1)
	inText := map[string]bool{}
	for _, d := range documented {
		inText[d[1]] = true
	}
	inCode := map[string]bool{}
	for _, line := range names(t, registry) {
		inCode[strings.TrimSuffix(strings.Fields(line)[1], ":")] = true
	}
	require.Equal(t, inCode, inText)

	// The words of labels are explained too.
	words, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range words {
		if !strings.HasPrefix(f.GetName(), "pushstream_") {
			continue
		}
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				require.Contains(t, string(text), "`"+label.GetValue()+"`", f.GetName())
			}
		}
	}
}

func TestEveryCallIsCounted(t *testing.T) {
	m, _ := newMetrics(t)
	m.ConnectionOpened()
	m.ConnectionOpened()
	m.ConnectionOpened()
	m.ConnectionClosed("gone")
	m.CatchingUp(3)
	m.CatchingUp(-1)
	m.Refused("too_many_topics")
	m.Published(5)
	m.PublishRefused("invalid")
	m.Delivered(7, 700)
	m.Replayed(11)
	m.DeliveryLatency(3 * time.Millisecond)
	m.DeliveryLatency(time.Minute)
	m.Doubt("chain")
	m.GapTold(event.GapTrimmed, 4)
	m.InboxOverflow()
	m.ReadFailed()
	m.ReadFailed()
	have := strings.Split(scrape(t, m), "\n")
	for _, want := range []string{
		"pushstream_connections 2",
		"pushstream_connections_opened_total 3",
		`pushstream_connections_closed_total{reason="gone"} 1`,
		`pushstream_connections_closed_total{reason="stalled"} 0`,
		"pushstream_connections_catching_up 2",
		`pushstream_streams_refused_total{code="too_many_topics"} 1`,
		"pushstream_events_published_total 5",
		`pushstream_publishes_refused_total{code="invalid"} 1`,
		"pushstream_events_delivered_total 7",
		"pushstream_delivered_bytes_total 700",
		"pushstream_events_replayed_total 11",
		`pushstream_delivery_latency_seconds_bucket{le="0.0025"} 0`,
		`pushstream_delivery_latency_seconds_bucket{le="0.005"} 1`,
		`pushstream_delivery_latency_seconds_bucket{le="10"} 1`,
		"pushstream_delivery_latency_seconds_count 2",
		`pushstream_doubts_total{cause="chain"} 1`,
		`pushstream_gaps_told_total{reason="trimmed"} 4`,
		"pushstream_inbox_overflows_total 1",
		"pushstream_log_read_failures_total 2",
	} {
		require.Contains(t, have, want)
	}
	require.Contains(t, scrape(t, m), "\ngo_goroutines ")
	require.Contains(t, scrape(t, m), "\ngo_build_info{")
	require.Contains(t, scrape(t, m), "\nprocess_open_fds ")
}

func TestEveryReasonOfTheStoreIsThereFromTheStart(t *testing.T) {
	m, _ := newMetrics(t)
	text := scrape(t, m)
	for r := range store.Reason(1000) {
		if word := r.String(); word != "unknown" && r != store.ReasonOverloaded && r != store.ReasonUnavailable { // those two never get a stream
			require.Contains(t, text, `pushstream_connections_closed_total{reason="`+word+`"} 0`)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m, registry := newMetrics(t)
	for i := range 1000 {
		m.Refused(fmt.Sprintf("reason %d", i))
	}
	for _, odd := range []string{"", "\xff", strings.Repeat("x", 65)} {
		m.Doubt(odd)
	}
	m.Doubt("canary")
	text := scrape(t, m)
	require.Equal(t, 32, strings.Count(text, "pushstream_streams_refused_total{"))
	require.Contains(t, text, `pushstream_streams_refused_total{code="reason 0"} 1`)
	require.Contains(t, text, `pushstream_streams_refused_total{code="other"} 986`)
	require.Contains(t, text, `pushstream_doubts_total{cause="other"} 3`)
	require.Contains(t, text, `pushstream_doubts_total{cause="canary"} 1`)

	_, err := metrics.New(registry)
	require.ErrorContains(t, err, "register metrics: ")
}

func TestConcurrentUse(t *testing.T) {
	m, _ := newMetrics(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				m.Delivered(1, 10)
				m.Doubt(fmt.Sprint("cause ", i))
				m.DeliveryLatency(time.Millisecond)
			}
			_ = scrape(t, m)
		})
	}
	wg.Wait()
	text := scrape(t, m)
	require.Contains(t, text, "pushstream_events_delivered_total 800\n")
	require.Contains(t, text, `pushstream_doubts_total{cause="cause 7"} 100`)
}

// Not parallel: it counts allocations.
func TestCountingAllocatesNothing(t *testing.T) {
	m, _ := newMetrics(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.ConnectionOpened()
		m.ConnectionClosed("gone")
		m.Published(1)
		m.Delivered(1, 100)
		m.Replayed(1)
		m.CatchingUp(1)
		m.DeliveryLatency(time.Millisecond)
		m.GapTold(event.GapLost, 1)
		m.InboxOverflow()
	}))
}

func BenchmarkDelivered(b *testing.B) {
	m, err := metrics.New(prometheus.NewRegistry())
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Delivered(1, 100)
		}
	})
}

func TestRedis(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	require.NoError(t, err)
	r, err := m.Redis()
	require.NoError(t, err)
	r.Called("publish", 2*time.Millisecond, nil)
	r.Called("publish", time.Second, io.EOF)
	r.Committed(64)
	r.RelayUp(1)
	r.RelayUp(1)
	r.RelayUp(-1)
	r.Canary(300 * time.Microsecond)
	r.Passed(redis.ResultRelayed)
	r.Ingested(redis.ResultMalformed)
	text := scrape(t, m)
	for _, line := range []string{
		`pushstream_redis_call_seconds_sum{function="publish"} 0.002`,
		`pushstream_redis_call_seconds_count{function="publish"} 1`,
		`pushstream_redis_call_failures_total{function="publish"} 1`,
		`pushstream_redis_publish_batch_events_sum 64`,
		`pushstream_redis_relays_up 1`,
		`pushstream_redis_relay_latency_seconds_sum 0.0003`,
		`pushstream_redis_messages_total{result="relayed"} 1`,
		`pushstream_redis_ingested_total{result="malformed"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}

	_, err = m.Redis()
	require.ErrorContains(t, err, "register metrics", "they are registered once")
}
