package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pushstream/pushstream/pkg/event"
)

const namespace = "pushstream"

// Metrics is a node's metrics.
type Metrics struct {
	registry *prometheus.Registry

	connections    prometheus.Gauge
	catchingUp     prometheus.Gauge
	opened         prometheus.Counter
	closed         *byReason
	refused        *byReason
	ticketsRefused *byReason
	sockets        prometheus.Gauge
	socketsDropped *byReason
	published      prometheus.Counter
	publishRefused *byReason
	delivered      prometheus.Counter
	deliveredBytes prometheus.Counter
	replayed       prometheus.Counter
	latency        prometheus.Histogram
	doubts         *byReason
	gaps           *byReason
	overflows      prometheus.Counter
	readFailures   prometheus.Counter
}

// New registers a node's metrics, and those of its process and of the Go runtime, with a registry. It fails where they have
// been registered before.
func New(registry *prometheus.Registry) (*Metrics, error) {
	m := &Metrics{
		registry:    registry,
		connections: gauge("connections", "Streams that are open."),
		catchingUp:  gauge("connections_catching_up", "Open streams that read from the logs, not live."),
		opened:      counter("connections_opened_total", "Streams that began."),
		closed: newByReason("connections_closed_total", "Streams that ended, by reason.", "reason",
			"gone", "stalled", "stopped", "draining", "max_age", "expired", "ended", "revoked"),
		refused: newByReason("streams_refused_total", "Requests for a stream that were refused, by code.", "code",
			"query", "invalid", "token_missing", "token_invalid", "token_expired", "token_refused", "ticket_invalid", "origin", "keys_unavailable", "forbidden", "too_many_topics", "too_many_connections", "too_many_connections_per_address", "too_many_connections_per_user", "draining", "starting", "unavailable"),
		ticketsRefused: newByReason("tickets_refused_total", "Requests for a ticket that were refused, by code.", "code",
			"token_missing", "token_invalid", "token_expired", "token_refused", "origin", "keys_unavailable", "forbidden", "too_many_tickets", "unavailable"),
		sockets: gauge("sockets", "TCP connections to the public listener, those of streams among them."),
		socketsDropped: newByReason("sockets_dropped_total", "TCP connections to the public listener that ended without a request, by reason.", "reason",
			"full", "unused"),
		published: counter("events_published_total", "Events that this node took from publishers and the backplane acknowledged."),
		publishRefused: newByReason("publishes_refused_total", "Events from publishers that were refused, by code.", "code",
			"query", "invalid", "invalid_json", "body", "body_timeout", "content_type", "content_encoding", "forbidden",
			"token_missing", "token_invalid", "token_expired", "token_refused", "keys_unavailable",
			"event_too_large", "batch_too_large", "body_too_large", "too_many_bodies", "publish_rate", "unavailable"),
		delivered:      counter("events_delivered_total", "Events that readers' sockets took, one for each reader."),
		deliveredBytes: counter("delivered_bytes_total", "Bytes that readers' sockets took."),
		replayed:       counter("events_replayed_total", "Events that readers were given while they caught up, from the logs or from what the relay has passed on of late."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "delivery_latency_seconds",
			Help:    "Time from an event's arrival at this node to its first write to readers, once for each shard of connections.",
			Buckets: []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10},
		}),
		doubts: newByReason("doubts_total", "Times that the relay could not be vouched for, by cause.", "cause",
			"relay", "chain", "timeline"),
		gaps: newByReason("gaps_told_total", "Gaps that readers were told of, one for each reader and target, by reason.", "reason",
			string(event.GapTrimmed), string(event.GapExpired), string(event.GapLost)),
		overflows:    counter("inbox_overflows_total", "Times that a shard of connections fell behind and sent its readers to the logs."),
		readFailures: counter("log_read_failures_total", "Reads of the logs that failed and are tried again."),
	}
	var errs []error
	for _, c := range m.collectors() {
		errs = append(errs, registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.connections, m.catchingUp, m.opened, m.closed.vec, m.refused.vec, m.ticketsRefused.vec, m.sockets, m.socketsDropped.vec, m.published, m.publishRefused.vec,
		m.delivered, m.deliveredBytes, m.replayed, m.latency, m.doubts.vec, m.gaps.vec, m.overflows, m.readFailures,
		collectors.NewBuildInfoCollector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

// Handler answers with all metrics of the registry, in the format that is asked for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// ConnectionOpened counts a stream that began.
func (m *Metrics) ConnectionOpened() {
	m.connections.Inc()
	m.opened.Inc()
}

// ConnectionClosed counts a stream that ended.
func (m *Metrics) ConnectionClosed(reason string) {
	m.connections.Dec()
	m.closed.add(reason, 1)
}

// Refused counts a request for a stream that was refused.
func (m *Metrics) Refused(code string) { m.refused.add(code, 1) }

// TicketRefused counts a request for a ticket that was refused.
func (m *Metrics) TicketRefused(code string) { m.ticketsRefused.add(code, 1) }

// SocketOpened counts a TCP connection that was accepted.
func (m *Metrics) SocketOpened() { m.sockets.Inc() }

// SocketClosed counts the end of one that was accepted.
func (m *Metrics) SocketClosed() { m.sockets.Dec() }

// SocketDropped counts a TCP connection that ended without a request, and why.
func (m *Metrics) SocketDropped(reason string) { m.socketsDropped.add(reason, 1) }

// Published counts events that the backplane acknowledged.
func (m *Metrics) Published(events int) { m.published.Add(float64(events)) }

// PublishRefused counts an event that was refused.
func (m *Metrics) PublishRefused(code string) { m.publishRefused.add(code, 1) }

// Delivered counts events and bytes that sockets took.
func (m *Metrics) Delivered(events, bytes int) {
	m.delivered.Add(float64(events))
	m.deliveredBytes.Add(float64(bytes))
}

// Replayed counts events that a reader was given while it caught up.
func (m *Metrics) Replayed(events int) { m.replayed.Add(float64(events)) }

// CatchingUp counts streams that begin (+1) or end (-1) catching up.
func (m *Metrics) CatchingUp(delta int) { m.catchingUp.Add(float64(delta)) }

// DeliveryLatency takes the time from an event's arrival at the node to a shard's first write of it.
func (m *Metrics) DeliveryLatency(d time.Duration) { m.latency.Observe(d.Seconds()) }

// Doubt counts a time that the relay could not be vouched for.
func (m *Metrics) Doubt(cause string) { m.doubts.add(cause, 1) }

// GapTold counts the targets of a gap that a reader was told of.
func (m *Metrics) GapTold(reason event.GapReason, targets int) { m.gaps.add(string(reason), targets) }

// InboxOverflow counts a shard that fell behind.
func (m *Metrics) InboxOverflow() { m.overflows.Inc() }

// ReadFailed counts a read of the logs that failed.
func (m *Metrics) ReadFailed() { m.readFailures.Inc() }
