package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

func withURL(urls ...string) client.Config {
	cfg := client.DefaultConfig()
	cfg.URLs = urls
	return cfg
}

func TestConfig(t *testing.T) {
	require.NoError(t, withURL("http://localhost:8080", "https://push.example/base/").Validate())
	require.EqualError(t, client.DefaultConfig().Validate(), "URLs: there is none")
	for _, bad := range []string{"", "localhost:8080", "ftp://host", "http://", "http://user:secret@host", "http://host?x=1", "http://host#x", "http://host:secret\x7f"} {
		err := withURL("http://host", bad).Validate()
		require.ErrorContains(t, err, "URLs[1]: ", bad)
		require.NotContains(t, err.Error(), "secret")
	}
	last := withURL("http://host")
	last.Attempts = 1_000_000
	require.NoError(t, last.Validate(), "as long as the context lasts")
	for field, change := range map[string]func(*client.Config){
		"Attempts":       func(c *client.Config) { c.Attempts = 0 },
		"AttemptTimeout": func(c *client.Config) { c.AttemptTimeout = time.Hour },
		"ConnectTimeout": func(c *client.Config) { c.ConnectTimeout = 0 },
		"BackoffMin":     func(c *client.Config) { c.BackoffMin = c.BackoffMax + 1 },
		"BackoffMax":     func(c *client.Config) { c.BackoffMax = 0 },
		"BatchEvents":    func(c *client.Config) { c.BatchEvents = 100_001 },
		"BatchBytes":     func(c *client.Config) { c.BatchBytes = 0 },
		"BlockBytes":     func(c *client.Config) { c.BlockBytes = 2 << 30 },
	} {
		cfg := withURL("http://host")
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), field+": ")
		_, err := client.New(cfg)
		require.ErrorContains(t, err, "configure client: "+field)
	}
}
