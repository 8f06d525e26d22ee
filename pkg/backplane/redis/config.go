package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Acknowledge is what a publication has to reach before it is acknowledged.
type Acknowledge string

const (
	// AcknowledgePrimary says that the primary has it. What a failover loses before any node has seen it can vanish untold.
	AcknowledgePrimary Acknowledge = "primary"
	// AcknowledgeReplica says that Config.Replicas replicas have it too.
	AcknowledgeReplica Acknowledge = "replica"
)

// Config says where Redis is and how the engine uses it. Start from DefaultConfig: a zero never means "default".
type Config struct {
	// URL says where Redis is, and how to reach it: see ParseURL. It may hold a password; nothing logs it.
	URL string
	// Prefix begins every key and channel, 1 to 100 characters A-Z a-z 0-9 - _ and dots; "pushstream" by default.
	// Deployments that share a server need different ones, also in different databases, which pub/sub does not know.
	Prefix string
	// Partitions is how many clocks and relays there are, 1 to 1024; 1 by default. It belongs to the deployment: once it
	// has published it cannot be changed.
	Partitions int
	// RetentionLength is the most entries that one log keeps, 1 or more; 1000 by default.
	RetentionLength int
	// RetentionAge is how long a log is kept after its last append, 1 ms or more; 24 h by default.
	RetentionAge time.Duration
	// KeyAge is how long a publication's key is remembered at least, 1 ms or more; 10 min by default.
	KeyAge time.Duration
	// Acknowledge is the level of acknowledgement; primary by default.
	Acknowledge Acknowledge
	// Replicas is how many replicas have to confirm at level replica, 1 or more; 1 by default. It should be all that can
	// be promoted: one that has not confirmed may be the next primary.
	Replicas int
	// PublishTimeout is how long a call is repeated whose outcome is not known, more than 0 and less than 30 s; 10 s by
	// default. It has to outlast a failover if publishers are not to see one.
	PublishTimeout time.Duration
	// AllowEviction accepts a server that evicts keys when its memory is full. Events can then be lost untold.
	AllowEviction bool
	// CanaryInterval is how often the relay is tested, 10 ms or more; 500 ms by default.
	CanaryInterval time.Duration
	// CanaryTimeout is how long the relay may be silent before it is in doubt, more than CanaryInterval; 3 s by default.
	CanaryTimeout time.Duration
	// Linger is how long the relay of a log is kept that nobody has joined any more, 0 or more; 30 s by default.
	Linger time.Duration
	// Dial makes the connections to the servers; nil for ordinary ones.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DefaultConfig returns the settings for a server of this machine that nobody has configured.
func DefaultConfig() Config {
	return Config{
		URL:             "redis://127.0.0.1:6379",
		Prefix:          "pushstream",
		Partitions:      1,
		RetentionLength: 1000,
		RetentionAge:    24 * time.Hour,
		KeyAge:          10 * time.Minute,
		Acknowledge:     AcknowledgePrimary,
		Replicas:        1,
		PublishTimeout:  10 * time.Second,
		CanaryInterval:  500 * time.Millisecond,
		CanaryTimeout:   3 * time.Second,
		Linger:          30 * time.Second,
	}
}

const (
	maxPartitions     = 1024
	maxPrefix         = 100
	maxPublishTimeout = 30 * time.Second
	minCanaryInterval = 10 * time.Millisecond
)

// Validate returns all faults, joined, each beginning with its key; nil where there are none.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	if err := CheckURL(c.URL); err != nil {
		faults = append(faults, fmt.Errorf("url: %w", err))
	}
	if err := CheckPrefix(c.Prefix); err != nil {
		faults = append(faults, fmt.Errorf("prefix: %w", err))
	}
	check(c.Partitions >= 1 && c.Partitions <= maxPartitions, "partitions: %d is not 1 to %d", c.Partitions, maxPartitions)
	check(c.RetentionLength >= 1, "retention_length: %d is less than 1", c.RetentionLength)
	check(c.RetentionAge >= time.Millisecond, "retention_age: %v is less than 1ms", c.RetentionAge)
	check(c.KeyAge >= time.Millisecond, "key_age: %v is less than 1ms", c.KeyAge)
	check(c.Acknowledge == AcknowledgePrimary || c.Acknowledge == AcknowledgeReplica, "acknowledge: %q is not primary or replica", c.Acknowledge)
	check(c.Replicas >= 1, "replicas: %d is less than 1", c.Replicas)
	check(c.PublishTimeout > 0 && c.PublishTimeout < maxPublishTimeout, "publish_timeout: %v is not more than 0 and less than %v", c.PublishTimeout, maxPublishTimeout)
	check(c.CanaryInterval >= minCanaryInterval, "canary_interval: %v is less than %v", c.CanaryInterval, minCanaryInterval)
	check(c.CanaryTimeout > c.CanaryInterval, "canary_timeout: %v is not more than canary_interval", c.CanaryTimeout)
	check(c.Linger >= 0, "linger: %v is less than 0", c.Linger)
	return errors.Join(faults...)
}

// CheckPrefix says what is wrong with a prefix of keys; nil for nothing.
func CheckPrefix(prefix string) error {
	if prefix == "" || len(prefix) > maxPrefix {
		return fmt.Errorf("it has %d characters, allowed are 1 to %d", len(prefix), maxPrefix)
	}
	for i := range len(prefix) {
		if c := prefix[i]; !plain(c) {
			return fmt.Errorf("%q: only A-Z a-z 0-9 - _ and dots are allowed", prefix)
		}
	}
	return nil
}
