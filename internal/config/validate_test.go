package config_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
)

func TestValidateNamesTheFault(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"no address":        {func(c *config.Config) { c.Listen = "" }, `listen: "" is not host:port`},
		"no port":           {func(c *config.Config) { c.Listen = "127.0.0.1" }, `listen: "127.0.0.1" is not host:port, like 127.0.0.1:8080`},
		"port too large":    {func(c *config.Config) { c.Listen = "127.0.0.1:65536" }, `port "65536" is not 0 to 65535`},
		"port by name":      {func(c *config.Config) { c.Admin = "127.0.0.1:http" }, `admin: "127.0.0.1:http": port "http" is not 0 to 65535`},
		"port empty":        {func(c *config.Config) { c.Admin = "127.0.0.1:" }, `port "" is not 0 to 65535`},
		"node empty":        {func(c *config.Config) { c.Node = "" }, "node: it has 0 characters, allowed are 1 to 100"},
		"node too long":     {func(c *config.Config) { c.Node = strings.Repeat("n", 101) }, "node: it has 101 characters"},
		"node, space":       {func(c *config.Config) { c.Node = "a b" }, "node: \"a b\": only A-Z"},
		"node, line":        {func(c *config.Config) { c.Node = "a\nb" }, `node: "a\nb": only A-Z`},
		"level":             {func(c *config.Config) { c.Log.Level = "loud" }, `log.level: "loud" is not one of debug, info, warn, error`},
		"format":            {func(c *config.Config) { c.Log.Format = "" }, `log.format: "" is not one of auto, json, console`},
		"zero":              {func(c *config.Config) { c.Limits.Connections = 0 }, "limits.connections: 0 is not 1 to 10000000"},
		"negative":          {func(c *config.Config) { c.Stream.MaxAge = -1 }, "stream.max_age: -1ns is not 0, or 1s to 168h"},
		"below zero or":     {func(c *config.Config) { c.Stream.MaxAge = 1 }, "stream.max_age: 1ns is not 0, or 1s to 168h"},
		"origin":            {func(c *config.Config) { c.CORS.Origins = []string{"a"} }, `cors.origins: "a" is not an origin`},
		"proxy":             {func(c *config.Config) { c.TrustedProxies = make([]netip.Prefix, 1) }, "trusted_proxies: "},
		"token missing":     {func(c *config.Config) { c.Admin = "10.0.0.1:8081" }, "admin: 10.0.0.1:8081 can be reached from other machines: listen on loopback, or require admin_token"},
		"one address twice": {func(c *config.Config) { c.Admin = c.Listen }, "admin: 127.0.0.1:8080 is the address of listen too"},
		"buffer":            {func(c *config.Config) { c.Stream.BufferBytes = 65536 + 4095 }, "stream.buffer_bytes: 69631 is less than limits.event_bytes and 4KiB around it"},
		"inbox":             {func(c *config.Config) { c.Stream.InboxBytes = 64 << 10 }, "stream.inbox_bytes: 64KiB is less"},
		"body":              {func(c *config.Config) { c.Limits.BodyBytes = 64 << 10 }, "limits.body_bytes: 64KiB is less"},
		"retained":          {func(c *config.Config) { c.Limits.EventBytes, c.Retention.Bytes = 2<<20, 1<<20 }, "retention.bytes: 1MiB is less"},
		"burst":             {func(c *config.Config) { c.Limits.PublishRate, c.Limits.PublishBurst = 1, 999 }, "limits.publish_burst: 999 is less than limits.batch_events, 1000"},
		"drain":             {func(c *config.Config) { c.Drain.Delay, c.Drain.Window = 20*time.Second, 11*time.Second }, "drain.timeout: 30s is less than drain.delay and drain.window together, 31s"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			c.change(&cfg)
			require.ErrorContains(t, cfg.Validate(), c.want)
		})
	}
}

func TestValidateReturnsAllFaults(t *testing.T) {
	var cfg config.Config
	faults := strings.Split(cfg.Validate().Error(), "\n")
	require.Greater(t, len(faults), 20)
	for _, fault := range faults {
		require.Regexp(t, `^[a-z_]+(\.[a-z_]+)?: .`, fault)
	}
}

func TestOnlyLoopbackIsReachedWithoutAWord(t *testing.T) {
	cfg := config.Default()
	for _, local := range []string{"127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "localhost:0", "[::ffff:127.0.0.1]:1"} {
		cfg.Listen = local
		require.NoError(t, cfg.Validate(), local)
	}
	for _, open := range []string{"0.0.0.0:8080", ":8080", "[::]:8080", "10.0.0.1:8080", "[fe80::1%lo]:1", "localhost.example.com:80", "127.0.0.1.example.com:80"} {
		cfg.Listen, cfg.InsecureDev = open, false
		err := cfg.Validate()
		require.Error(t, err, open)
		require.NotContains(t, err.Error(), "\n")
		for _, word := range []string{"listen: " + open, "insecure_dev: true", "PUSHSTREAM_INSECURE_DEV=true", "--insecure-dev", "authentication", "loopback"} {
			require.ErrorContains(t, err, word)
		}
		cfg.InsecureDev = true
		require.NoError(t, cfg.Validate(), open)
	}
}

func TestAdminWithTokenMayBeReached(t *testing.T) {
	cfg := config.Default()
	cfg.Admin, cfg.AdminToken = "0.0.0.0:8081", "0123456789abcdef"
	require.NoError(t, cfg.Validate())
	cfg.Admin, cfg.Listen = "127.0.0.1:0", "127.0.0.1:0"
	require.NoError(t, cfg.Validate(), "two free ports")
}
