package redis_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

func TestContract(t *testing.T) {
	contract(t, func(t *testing.T, c *redis.Config) {
		t.Helper()
		c.URL = redistest.Shared(t).URL()
	})
}

func TestContractBehindSentinel(t *testing.T) {
	s := redistest.StartSentinel(t, 1)
	contract(t, func(t *testing.T, c *redis.Config) {
		t.Helper()
		c.URL = sentinelURL(s)
		c.Acknowledge = redis.AcknowledgeReplica
	})
}

func TestContractOnCluster(t *testing.T) {
	s := redistest.StartCluster(t)
	contract(t, func(t *testing.T, c *redis.Config) {
		t.Helper()
		c.URL = clusterURL(s)
		c.Partitions = 4
	})
}

// contract runs the suite against engines on empty prefixes.
func contract(t *testing.T, where func(t *testing.T, c *redis.Config)) {
	t.Helper()
	backplanetest.Run(t, backplanetest.Factory{Open: func(t *testing.T, want backplanetest.Retention) *backplanetest.Harness {
		t.Helper()
		config := redis.DefaultConfig()
		config.Prefix = redistest.Prefix(t)
		config.CanaryInterval = 50 * time.Millisecond
		where(t, &config)
		if want.Length > 0 {
			config.RetentionLength = want.Length
		}
		if want.Age > 0 {
			config.RetentionAge = want.Age
		}
		if want.KeyAge > 0 {
			config.KeyAge = want.KeyAge
		}
		engine := newEngine(t, config)
		return &backplanetest.Harness{
			Backplane:    engine,
			Tickets:      engine,
			Signals:      engine,
			Capabilities: engine.Capabilities(),
			Close:        func() { require.NoError(t, engine.Close()) },
		}
	}})
}

func newEngine(t *testing.T, config redis.Config) *redis.Engine {
	t.Helper()
	engine, err := redis.New(config, slog.New(slog.NewTextHandler(t.Output(), nil)), nothing{})
	require.NoError(t, err)
	return engine
}

// nothing is for tests that count nothing.
type nothing struct{}

func (nothing) Called(string, time.Duration, error) {}
func (nothing) Committed(int)                       {}
func (nothing) RelayUp(int)                         {}
func (nothing) Canary(time.Duration)                {}
func (nothing) Passed(string)                       {}
func (nothing) Ingested(string)                     {}

func sentinelURL(s *redistest.Sentinel) string {
	return "redis+sentinel://" + s.Addrs[0] + "?master_name=" + s.MasterName + "&addr=" + strings.Join(s.Addrs[1:], "&addr=")
}

func clusterURL(s *redistest.Cluster) string {
	return "redis+cluster://" + s.Addrs[0] + "?addr=" + strings.Join(s.Addrs[1:], "&addr=")
}
