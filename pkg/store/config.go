package store

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Config bounds what the store's connections may take.
type Config struct {
	// Shards is how many goroutines own the connections, 1 to 64; default: one for each CPU.
	Shards int
	// Heartbeat is the silence after which a reader gets a ping; default 15 s, at least 1 s.
	Heartbeat time.Duration
	// MaxAge is how long a stream may last, each with its own random part of +/- 20 %; default 1 h, 0 = for ever.
	MaxAge time.Duration
	// Poll is how often a connection reads the logs while the relay is in doubt, or after reading failed; default 1 s, at
	// least 100 ms.
	Poll time.Duration
	// BufferBytes is what may wait for one live reader; default 256 KiB. More sends it back to the logs.
	BufferBytes int
	// InboxEvents is how many events may wait for a shard; default 65,536.
	InboxEvents int
	// InboxBytes is the size of the events that may wait for a shard; default 64 MiB.
	InboxBytes int
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Shards:      min(runtime.GOMAXPROCS(0), maxShards),
		Heartbeat:   15 * time.Second,
		MaxAge:      time.Hour,
		Poll:        time.Second,
		BufferBytes: 256 << 10,
		InboxEvents: 1 << 16,
		InboxBytes:  64 << 20,
	}
}

// Validate returns all faults, each with the name of its field.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(c.Shards >= 1 && c.Shards <= maxShards, "Shards: %d is not 1 to %d", c.Shards, maxShards)
	check(c.Heartbeat >= time.Second, "Heartbeat: %v is under 1s", c.Heartbeat)
	check(c.MaxAge >= 0, "MaxAge: %v is negative", c.MaxAge)
	check(c.Poll >= 100*time.Millisecond, "Poll: %v is under 100ms", c.Poll)
	check(c.BufferBytes >= 1, "BufferBytes: %d is under 1", c.BufferBytes)
	check(c.InboxEvents >= 1, "InboxEvents: %d is under 1", c.InboxEvents)
	check(c.InboxBytes >= 1, "InboxBytes: %d is under 1", c.InboxBytes)
	return errors.Join(faults...)
}
