package redis

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// minMajor is the least major version of a server: functions and sharded pub/sub came with Redis 7.
const minMajor = 7

// check looks at a server before its relay is used: what would break the promise is an error, what weakens it a warning with
// its cure.
func (p *partition) check(address, info string) error {
	c := p.engine.config
	server := infoField(info, "redis_version")
	if major, err := strconv.Atoi(strings.SplitN(server, ".", 2)[0]); err != nil || major < minMajor {
		return &fatalError{fmt.Sprintf("the server is Redis %s; Redis 7 or Valkey 7 or later is needed", server)}
	}
	if role := infoField(info, "role"); role != "master" {
		return fmt.Errorf("the server is a %s and not the primary", role)
	}
	if policy := infoField(info, "maxmemory_policy"); policy != "noeviction" && policy != "" {
		text := "the server evicts keys when its memory is full (maxmemory-policy " + policy + "), so that events would be lost untold; set maxmemory-policy noeviction"
		if !c.AllowEviction {
			return &fatalError{text + ", or allow eviction in the configuration of the node"}
		}
		p.warn(address, text)
	}
	if infoField(info, "aof_enabled") == "0" {
		p.warn(address, "the server keeps no append-only file: a restart loses all logs, and readers are told; set appendonly yes")
	}
	if replicas, err := strconv.Atoi(infoField(info, "connected_slaves")); c.Acknowledge == AcknowledgeReplica && (err != nil || replicas < c.Replicas) {
		p.warn(address, fmt.Sprintf("the server has %d replicas and %d have to confirm: nothing can be published", replicas, c.Replicas))
	}
	return nil
}

// warn logs something once for each server and text.
func (p *partition) warn(address, text string) {
	if _, said := p.engine.said.LoadOrStore(address+text, true); !said {
		p.engine.log.Warn("Redis could do better", slog.String("server", address), slog.String("how", text))
	}
}

// infoField returns a field of what INFO answered; empty where there is none.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
