package redis

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckOfInfo(t *testing.T) {
	t.Parallel()
	const good = "# Server\r\nredis_version:7.2.4\r\nrun_id:abc\r\nrole:master\r\nconnected_slaves:1\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n"
	change := func(from, to string) string {
		require.Contains(t, good, from)
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct {
		info   string
		config func(*Config)
		err    string
		final  bool
		warns  string
	}{
		"all is well":      {info: good},
		"Redis 6":          {info: change("7.2.4", "6.2.14"), err: "the server is Redis 6.2.14; Redis 7 or Valkey 7 or later is needed", final: true},
		"Redis 10":         {info: change("7.2.4", "10.0.0")},
		"Valkey":           {info: change("redis_version:7.2.4", "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1")},
		"something else":   {info: "hello", err: "Redis 7 or Valkey 7 or later is needed", final: true},
		"a replica":        {info: change("role:master", "role:slave"), err: "the server is a slave and not the primary"},
		"evicts":           {info: change("noeviction", "volatile-ttl"), err: "maxmemory-policy volatile-ttl", final: true},
		"evicts, allowed":  {info: change("noeviction", "volatile-ttl"), config: func(c *Config) { c.AllowEviction = true }, warns: "maxmemory-policy volatile-ttl"},
		"policy not told":  {info: change("maxmemory_policy:noeviction\r\n", "")},
		"no persistence":   {info: change("aof_enabled:1", "aof_enabled:0"), warns: "set appendonly yes"},
		"enough replicas":  {info: good, config: func(c *Config) { c.Acknowledge = AcknowledgeReplica }},
		"too few replicas": {info: good, config: func(c *Config) { c.Acknowledge, c.Replicas = AcknowledgeReplica, 2 }, warns: "the server has 1 replicas and 2 have to confirm"},
	} {
		config := DefaultConfig()
		if c.config != nil {
			c.config(&config)
		}
		var log bytes.Buffer
		p := newPartition(&Engine{config: config, log: slog.New(slog.NewTextHandler(&log, nil))}, 0)
		for range 2 {
			err := p.check("127.0.0.1:1", c.info)
			if c.err == "" {
				require.NoError(t, err, name)
				continue
			}
			require.ErrorContains(t, err, c.err, name)
			require.Equal(t, c.final, faultOf(err) == faultFinal, name)
		}
		require.Equal(t, c.warns != "", log.Len() > 0, "%s: %s", name, log.String())
		require.Contains(t, log.String(), c.warns, name)
		require.LessOrEqual(t, strings.Count(log.String(), "\n"), 1, "%s: it is said once", name)
	}
}
