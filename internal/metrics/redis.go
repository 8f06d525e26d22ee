package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// Redis is what a node counts of its Redis backplane.
type Redis struct {
	calls    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	batches  prometheus.Histogram
	relays   prometheus.Gauge
	canary   prometheus.Histogram
	messages *byReason
	ingested *byReason
}

// Redis registers the metrics of a Redis backplane beside the node's, once.
func (m *Metrics) Redis() (*Redis, error) {
	r := newRedis()
	var errs []error
	for _, c := range r.collectors() {
		errs = append(errs, m.registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return r, nil
}

func newRedis() *Redis {
	r := &Redis{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "redis_call_seconds",
			Help:    "Time that calls of a function on Redis took which succeeded, by function.",
			Buckets: []float64{100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5},
		}, []string{"function"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "redis_call_failures_total", Help: "Calls of a function on Redis that failed, by function. Most are repeated.",
		}, []string{"function"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "redis_publish_batch_events", Help: "Events that one call published.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
		}),
		relays: gauge("redis_relays_up", "Partitions whose relay is vouched for."),
		canary: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "redis_relay_latency_seconds", Help: "Time from calling Redis with a canary until it was back over the relay.",
			Buckets: []float64{100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5},
		}),
		messages: newByReason("redis_messages_total", "What came over the relay for logs that this node has joined, by what it was.", "result",
			redis.ResultRelayed, redis.ResultLive, redis.ResultUnreadable),
		ingested: newByReason("redis_ingested_total", "Entries of the ingest stream that this node took, by what became of them.", "result",
			redis.ResultPublished, redis.ResultMalformed),
	}
	for _, function := range redis.Functions() {
		r.calls.WithLabelValues(function)
		r.failures.WithLabelValues(function)
	}
	return r
}

func (r *Redis) collectors() []prometheus.Collector {
	return []prometheus.Collector{r.calls, r.failures, r.batches, r.relays, r.canary, r.messages.vec, r.ingested.vec}
}

// Called times a call of a function.
func (r *Redis) Called(function string, took time.Duration, err error) {
	if err != nil {
		r.failures.WithLabelValues(function).Inc()
		return
	}
	r.calls.WithLabelValues(function).Observe(took.Seconds())
}

// Committed counts a call that published so many events.
func (r *Redis) Committed(events int) { r.batches.Observe(float64(events)) }

// RelayUp counts relays that are vouched for (+1) or no more (-1).
func (r *Redis) RelayUp(change int) { r.relays.Add(float64(change)) }

// Canary takes the time of a canary's way.
func (r *Redis) Canary(took time.Duration) { r.canary.Observe(took.Seconds()) }

// Passed counts a message of the relay.
func (r *Redis) Passed(result string) { r.messages.add(result, 1) }

// Ingested counts an entry of the ingest stream.
func (r *Redis) Ingested(result string) { r.ingested.add(result, 1) }
