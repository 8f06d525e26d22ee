package redis_test

import (
	"testing"
	"log/slog"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

func TestContract(t *testing.T) {
	backplanetest.Run(t, backplanetest.Factory{Open: func(t *testing.T, want backplanetest.Retention) *backplanetest.Harness {
		t.Helper()
		config := redis.DefaultConfig()
		config.URL = redistest.Shared(t).URL()
		config.Prefix = redistest.Prefix(t)
		return open(t, config, want)
	}})
}

// open returns an engine with a retention as wished.
func open(t *testing.T, config redis.Config, want backplanetest.Retention) *backplanetest.Harness {
	t.Helper()
	config.CanaryInterval = 50 * time.Millisecond
	if want.Length > 0 {
		config.RetentionLength = want.Length
	}
	if want.Age > 0 {
		config.RetentionAge = want.Age
	}
	if want.KeyAge > 0 {
		config.KeyAge = want.KeyAge
	}
	engine, err := redis.New(config, slog.New(slog.NewTextHandler(t.Output(), nil)), nothing{})
	require.NoError(t, err)
	return &backplanetest.Harness{
		Backplane:    engine,
		Tickets:      engine,
		Capabilities: engine.Capabilities(),
		Close:        func() { require.NoError(t, engine.Close()) },
	}
}

type nothing struct{}

func (nothing) Called(string, time.Duration, error) {}
func (nothing) Committed(int) {}
func (nothing) RelayUp(int) {}
func (nothing) Canary(time.Duration) {}
func (nothing) Passed(string) {}
func (nothing) Ingested(string) {}
