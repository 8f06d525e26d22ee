package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// Metrics counts what the broker does. It is safe for concurrent use.
type Metrics interface {
	store.Metrics
	// Published counts events that the backplane acknowledged.
	Published(events int)
	// Doubt counts the times that the relay could not be vouched for.
	Doubt(cause string)
	// ReadFailed counts reads of the logs that failed and will be tried again.
	ReadFailed()
}

// Broker is one node's core. Make it with New; it works while Run does.
type Broker struct {
	cfg     Config
	engine  backplane.Backplane
	log     *slog.Logger
	metrics Metrics
	store   *store.Store
	relay   *relay
	backlog *backlog

	draining atomic.Bool
}

// New returns a broker on an engine that has so many partitions. It starts nothing.
func New(cfg Config, engine backplane.Backplane, partitions int, log *slog.Logger, metrics Metrics) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure broker: %w", err)
	}
	b := &Broker{cfg: cfg, engine: engine, log: log, metrics: metrics}
	b.backlog = newBacklog(cfg, engine, log, metrics)
	var err error
	if b.store, err = store.New(cfg.Store, partitions, sse.Controls{}, b.backlog, metrics); err != nil {
		return nil, err
	}
	b.relay = newRelay(b.store, partitions, log, metrics)
	b.backlog.relay = b.relay
	return b, nil
}

// Run connects the backplane to the connections until ctx ends, or until the engine fails for good. Streams that are left
// then are closed at once; Drain says goodbye first. It is called once.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup // joined below
	wg.Go(func() { b.backlog.run(ctx) })
	wg.Go(func() { b.store.Run(ctx) })
	b.relay.ending = func() bool { return ctx.Err() != nil }
	err := b.engine.Run(ctx, b.relay)
	cancel()
	wg.Wait()
	if err != nil {
		return fmt.Errorf("run backplane: %w", err)
	}
	return nil
}

// Ready returns nil when new streams can be served, else ErrStarting or ErrDraining.
func (b *Broker) Ready() error {
	switch {
	case b.draining.Load():
		return ErrDraining
	case !b.relay.started():
		return ErrStarting
	default:
		return nil
	}
}

// Connections returns how many streams there are.
func (b *Broker) Connections() int { return b.store.Len() }

// List tells done of the connections that read a log, of all there are where log is zero: see store.Store.
func (b *Broker) List(log event.LogName, most int, done func(infos []store.Info, total int)) {
	b.store.List(b.relay.find(log), most, done)
}

// End ends the connections that read a log, of all there are where log is zero, those that match: see store.Store.
func (b *Broker) End(log event.LogName, match func(store.Info) bool, reason store.Reason, done func(ended int)) {
	b.store.End(b.relay.find(log), match, reason, done)
}

// OnSignal has signals of all nodes handed to take, which never blocks, from now on.
func (b *Broker) OnSignal(take func(message []byte)) { b.relay.onSignal(take) }

// Drain takes no new streams from now on, and says goodbye to all there are: spread over Config.DrainWindow, each told its
// own random time to come back, in a window sized by Config.ReconnectRate. It returns when none is left, or when ctx ends.
func (b *Broker) Drain(ctx context.Context) error {
	b.draining.Store(true)
	spread := max(time.Second, time.Duration(b.store.Len())*time.Second/time.Duration(b.cfg.ReconnectRate))
	return b.store.Drain(ctx, b.cfg.DrainWindow, spread)
}
