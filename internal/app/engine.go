package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/internal/metrics"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/broker"
)

// mostStalled is how long the relay may be dead, although Redis answers, before balancers are to choose another node.
const mostStalled = 10 * time.Second

// engine is the backplane that the configuration asks for.
type engine struct {
	backplane.Backplane
	backplane.Tickets
	backplane.Signals

	name       string // as logs call it
	partitions int
	close      func() error
	// stalled is how long the engine has been unable to relay while others may be.
	stalled func() time.Duration
	// ingest publishes what comes in by the store itself, until its context ends; nil for nothing.
	ingest func(context.Context, redis.Publish)
}

func newEngine(cfg config.Config, log *slog.Logger, m *metrics.Metrics) (engine, error) {
	if cfg.Redis == "" {
		e, err := memory.New(memoryConfig(cfg))
		if err != nil {
			return engine{}, fmt.Errorf("make backplane: %w", err)
		}
		return engine{
			Backplane: e, Tickets: e, Signals: e, name: "embedded", partitions: e.Capabilities().Partitions,
			close:   func() error { e.Close(); return nil },
			stalled: func() time.Duration { return 0 },
		}, nil
	}
	redis.LogClient(log)
	counts, err := m.Redis()
	if err != nil {
		return engine{}, fmt.Errorf("make metrics: %w", err)
	}
	e, err := redis.New(redisConfig(cfg), log, counts)
	if err != nil {
		return engine{}, fmt.Errorf("make backplane: %w", err)
	}
	made := engine{Backplane: e, Tickets: e, Signals: e, name: "redis", partitions: e.Capabilities().Partitions, close: e.Close, stalled: e.Stalled}
	if cfg.Backplane.Ingest {
		made.ingest = e.Ingest
	}
	return made, nil
}

// readiness says whether new streams can be served here.
type readiness struct {
	broker *broker.Broker
	engine engine
}

// Ready returns nil when they can. While Redis is away altogether they can as well here as on any other node: readers are
// answered, and told to come back.
func (r readiness) Ready() error {
	if err := r.broker.Ready(); err != nil {
		return err
	}
	if d := r.engine.stalled(); d > mostStalled {
		return fmt.Errorf("%w: the relay has been dead for %v although Redis answers", backplane.ErrUnavailable, d.Round(time.Second))
	}
	return nil
}
