package app

import (
	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/broker"
)

// The parts of a node have their own settings; these functions are where those of the user become theirs.

func memoryConfig(cfg config.Config) memory.Config {
	c := memory.DefaultConfig()
	c.RetentionLength = cfg.Retention.Length
	c.RetentionAge = cfg.Retention.Age
	c.RetentionBytes = cfg.Retention.Bytes
	c.KeyAge = cfg.Publish.KeyAge
	return c
}

func redisConfig(cfg config.Config) redis.Config {
	c := redis.DefaultConfig()
	c.URL = string(cfg.Redis)
	c.Prefix = cfg.Backplane.Prefix
	c.Partitions = cfg.Backplane.Partitions
	c.Acknowledge = redis.Acknowledge(cfg.Backplane.Acknowledge)
	c.Replicas = cfg.Backplane.Replicas
	c.AllowEviction = cfg.Backplane.AllowEviction
	c.RetentionLength = cfg.Retention.Length
	c.RetentionAge = cfg.Retention.Age
	c.KeyAge = cfg.Publish.KeyAge
	c.PublishTimeout = cfg.Publish.Timeout
	return c
}

func brokerConfig(cfg config.Config) broker.Config {
	c := broker.DefaultConfig()
	c.Node = cfg.Node
	c.Retry = cfg.Stream.Retry
	c.EventBytes = cfg.Limits.EventBytes
	c.PublishTimeout = cfg.Publish.Timeout
	c.PageEvents = cfg.Stream.PageEvents
	c.PageBytes = cfg.Stream.PageBytes
	c.DrainWindow = cfg.Drain.Window
	c.ReconnectRate = cfg.Drain.ReconnectRate
	c.Store.Heartbeat = cfg.Stream.Heartbeat
	c.Store.MaxAge = cfg.Stream.MaxAge
	c.Store.BufferBytes = cfg.Stream.BufferBytes
	c.Store.InboxEvents = cfg.Stream.InboxEvents
	c.Store.InboxBytes = cfg.Stream.InboxBytes
	return c
}

func apiConfig(cfg config.Config) httpapi.Config {
	return httpapi.Config{
		Connections:           cfg.Limits.Connections,
		ConnectionsPerAddress: cfg.Limits.ConnectionsPerAddress,
		ConnectionsPerUser:    cfg.Limits.ConnectionsPerUser,
		TicketsPerReader:      cfg.Limits.TicketsPerReader,
		Topics:                cfg.Limits.Topics,
		BatchEvents:           cfg.Limits.BatchEvents,
		BodyBytes:             int64(cfg.Limits.BodyBytes),
		BodiesBytes:           int64(cfg.Limits.BodiesBytes),
		PublishRate:           float64(cfg.Limits.PublishRate),
		PublishBurst:          cfg.Limits.PublishBurst,
		TrustedProxies:        cfg.TrustedProxies,
		SubscribeTimeout:      subscribeTimeout,
		WriteTimeout:          cfg.Stream.WriteTimeout,
		Page:                  !cfg.AuthConfig().Enabled(),
	}
}
