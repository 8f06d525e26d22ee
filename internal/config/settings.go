package config

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// setting is one row of the table.
type setting struct {
	// key is the path in the tree, words joined by dots.
	key string
	// value reads and writes the field.
	value pflag.Value
	// check returns what is wrong with the field, nothing else considered.
	check func() error
	// limits says what check allows; empty where about says it.
	limits string
	// about is what it is for.
	about string
	// standard replaces the default in texts, for one that is not the same everywhere.
	standard string
}

// env returns the name of the environment variable.
func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// flag returns the name of the flag, without dashes in front.
func (s setting) flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
}

// span is what a number may be.
type span[T int | time.Duration] struct {
	least, most T
	// orZero allows 0 too; about says what it means.
	orZero bool
}

func number[T int | time.Duration](key string, v value[T], s span[T], about string) setting {
	limits := fmt.Sprintf("%s to %s", v.format(s.least), v.format(s.most))
	if s.orZero {
		limits = "0, or " + limits
	}
	return setting{
		key: key, value: v, limits: limits, about: about,
		check: func() error {
			if n := *v.at; n < s.least && (n != 0 || !s.orZero) || n > s.most {
				return fmt.Errorf("%s is not %s", v.format(n), limits)
			}
			return nil
		},
	}
}

func whole(key string, at *int, s span[int], about string) setting {
	return number(key, value[int]{kindInt, at, parseInt, strconv.Itoa}, s, about)
}

func size(key string, at *int, s span[int], about string) setting {
	return number(key, value[int]{kindBytes, at, parseBytes, formatBytes}, s, about)
}

func duration(key string, at *time.Duration, s span[time.Duration], about string) setting {
	return number(key, value[time.Duration]{kindDuration, at, parseDuration, formatDuration}, s, about)
}

func text[T ~string](key string, at *T, check func(T) error, about string) setting {
	v := value[T]{
		kind: kindString, at: at,
		parse:  func(s string) (T, error) { return T(s), nil },
		format: func(s T) string { return string(s) },
	}
	if _, secret := any(at).(*Secret); secret {
		v.kind = kindSecret
	}
	return setting{key: key, value: v, check: func() error { return check(*at) }, about: about}
}

func yesNo(key string, at *bool, about string) setting {
	v := value[bool]{kindBool, at, parseBool, strconv.FormatBool}
	return setting{key: key, value: v, check: func() error { return nil }, about: about}
}

func many[T any](key string, l *list[T], about string) setting {
	return setting{
		key: key, value: l, about: about,
		check: func() error {
			for _, x := range *l.at {
				if _, err := l.parse(l.format(x)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// settings returns the table, bound to c. Setting a list replaces it the first time and adds to it after that, so each
// source takes a table of its own.
func settings(c *Config) []setting {
	node := text("node", &c.Node, checkNode, "This node's name in logs and in what readers are told: 1 to 100 of A-Z, a-z, 0-9, -, _ and dots.")
	node.standard = "host name and six random characters"
	rows := []setting{
		text("listen", &c.Listen, checkAddress, "Address, `host:port`, of the public listener; port 0 takes any free one. One that is not loopback needs `insecure_dev`."),
		text("admin", &c.Admin, checkAdmin, "Address, `host:port`, of the listener for metrics, profiles and administration; empty for none."),
		text("admin_token", &c.AdminToken, checkToken, "What callers of the admin listener have to present: 16 to 512 visible ASCII characters. Empty for none, which is allowed on loopback only. "+
			"A command line can be read by every user of the machine: prefer the file or the environment."),
		yesNo("insecure_dev", &c.InsecureDev, "Allows `listen` to be reached from other machines although nobody is authenticated."),
		node,
		many("trusted_proxies", &list[netip.Prefix]{at: &c.TrustedProxies, parse: parsePrefix, format: netip.Prefix.String},
			"Networks, or single addresses, of proxies whose `X-Forwarded-For` is believed."),
		text("redis", &c.Redis, checkRedis, "URL of the Redis or Valkey, 7 or later, that nodes share: `redis://HOST:6379`, `redis+sentinel://HOST:26379?master_name=NAME` or "+
			"`redis+cluster://HOST:6379`, with `rediss` for TLS, `USER:PASSWORD@` before the host (behind Sentinel `username` and `password` as parameters), and further addresses as `addr`. Empty for the embedded backplane, which is for one node."),

		text("log.level", &c.Log.Level, oneOf("debug", "info", "warn", "error"), "The least severe level that is logged: `debug`, `info`, `warn` or `error`."),
		text("log.format", &c.Log.Format, oneOf("auto", "json", "console"), "`json`, `console`, or `auto`: console on a terminal, json elsewhere."),
	}
	for _, group := range [][]setting{authSettings(&c.Auth), backplaneSettings(&c.Backplane), streamSettings(&c.Stream), storeSettings(c), limitSettings(&c.Limits), edgeSettings(c)} {
		rows = append(rows, group...)
	}
	return rows
}

func authSettings(c *Auth) []setting {
	secret := text("auth.secret", &c.Secret, unchecked[Secret], "Signs readers' tokens (HS256), 32 to 512 bytes: `openssl rand -hex 32` makes one. Their issuer and audience are `pushstream`. Empty for none.")
	return []setting{
		secret,
		items("auth.issuers", &c.Issuers, "Whose tokens count besides: [their fields](authentication.md#issuers). In the environment and on the command line it is JSON."),
		items("auth.keys", &c.Keys, "Publishers' keys: [their fields](authentication.md#publishers-keys). In the environment and on the command line it is JSON."),
		text("auth.cookie", &c.Cookie, unchecked[string], "Name of the cookie that may carry a reader's token, sent by pages of this origin and of `cors.origins`. Empty for none."),
		duration("auth.clock_skew", &c.ClockSkew, span[time.Duration]{most: 5 * time.Minute},
			"How far the clocks of issuers may be off; 0s for not at all."),
	}
}

// unchecked leaves it to Config.checkAuth.
func unchecked[T any](T) error { return nil }

// items is a list of things that have fields.
func items[T any](key string, at *[]T, about string) setting {
	return setting{key: key, value: &table[T]{at: at}, check: func() error { return nil }, about: about}
}

func backplaneSettings(c *Backplane) []setting {
	return []setting{
		text("backplane.prefix", &c.Prefix, redis.CheckPrefix, "Begins the names of all keys and channels in Redis: 1 to 100 of A-Z, a-z, 0-9, -, _ and dots. "+
			"Deployments that share a Redis need different ones; another database is not enough."),
		whole("backplane.partitions", &c.Partitions, span[int]{least: 1, most: 1024},
			"How many clocks and relays the tenants are spread over. The same on every node, and for ever: what it was first is kept in Redis."),
		text("backplane.acknowledge", &c.Acknowledge, oneOf("primary", "replica"),
			"What an event has to reach before it is acknowledged: `primary`, or `replica` for `backplane.replicas` replicas too, so that a failover loses nothing that was acknowledged."),
		whole("backplane.replicas", &c.Replicas, span[int]{least: 1, most: 100},
			"How many replicas have to confirm at level `replica`: all that can be promoted."),
		yesNo("backplane.allow_eviction", &c.AllowEviction,
			"Accepts a Redis that evicts keys when its memory is full: events can then be lost without anybody being told."),
		yesNo("backplane.ingest", &c.Ingest,
			"Publishes what is added to the stream `PREFIX:ingest`. Of all nodes that do so, one works at a time."),
	}
}

func streamSettings(c *Stream) []setting {
	return []setting{
		duration("stream.heartbeat", &c.Heartbeat, span[time.Duration]{least: time.Second, most: 10 * time.Minute},
			"Silence after which a reader gets a ping. Proxies in between have to allow longer ones."),
		duration("stream.retry", &c.Retry, span[time.Duration]{least: 100 * time.Millisecond, most: 10 * time.Minute},
			"How soon a reader comes back that lost its stream without a goodbye."),
		duration("stream.max_age", &c.MaxAge, span[time.Duration]{least: time.Second, most: 168 * time.Hour, orZero: true},
			"How long a stream lasts, each with its own random part of +/- 20 %, so that readers spread over new nodes; 0 for ever."),
		duration("stream.write_timeout", &c.WriteTimeout, span[time.Duration]{least: time.Second, most: time.Hour},
			"How long a reader may take no byte before it is closed."),
		size("stream.buffer_bytes", &c.BufferBytes, span[int]{least: 4 << 10, most: 1 << 30},
			"What may wait for one live reader. More sends it back to the logs, from which it gets everything at its own pace."),
		whole("stream.page_events", &c.PageEvents, span[int]{least: 1, most: 100_000},
			"How many events of one log a reader that catches up gets at a time."),
		size("stream.page_bytes", &c.PageBytes, span[int]{least: 1 << 10, most: 64 << 20},
			"About how much a reader that catches up gets at a time, of all its logs."),
		whole("stream.inbox_events", &c.InboxEvents, span[int]{least: 16, most: 1 << 24},
			"How many events may wait for one shard of connections. More sends its readers back to the logs."),
		size("stream.inbox_bytes", &c.InboxBytes, span[int]{least: 64 << 10, most: 1 << 30},
			"Size of the events that may wait for one shard of connections."),
	}
}

func storeSettings(c *Config) []setting {
	const mostRetained = min(1<<40, math.MaxInt)
	return []setting{
		whole("retention.length", &c.Retention.Length, span[int]{least: 1, most: 1_000_000},
			"The most events that one log keeps. A reader that was away for more is told of a gap."),
		duration("retention.age", &c.Retention.Age, span[time.Duration]{least: time.Second, most: 8760 * time.Hour},
			"How long a log is kept after its last event."),
		size("retention.bytes", &c.Retention.Bytes, span[int]{least: 1 << 20, most: mostRetained},
			"Size of the events of all logs together, in the embedded backplane. More drops what is oldest."),
		duration("publish.key_age", &c.Publish.KeyAge, span[time.Duration]{least: 10 * time.Minute, most: 24 * time.Hour},
			"How long a publisher's own key of an event is remembered, so that publishing it again stores nothing."),
		duration("publish.timeout", &c.Publish.Timeout, span[time.Duration]{least: 100 * time.Millisecond, most: 29 * time.Second},
			"How long storing an event may take before the publisher is told to try again."),
	}
}

func limitSettings(c *Limits) []setting {
	const most = 10_000_000
	return []setting{
		whole("limits.connections", &c.Connections, span[int]{least: 1, most: most},
			"The most streams that this node serves. Each takes a file descriptor: raise the limit of open files with it."),
		whole("limits.connections_per_address", &c.ConnectionsPerAddress, span[int]{most: most},
			"The most streams of one address; 0 for no limit. Many people may share an address."),
		whole("limits.connections_per_user", &c.ConnectionsPerUser, span[int]{most: most},
			"The most streams of one user of a tenant; 0 for no limit. Each tab of a browser is one, and each device."),
		whole("limits.tickets_per_reader", &c.TicketsPerReader, span[int]{most: most},
			"The most tickets that this node gives one reader (a user, else a session, else a token) in 30 seconds; 0 for no limit."),
		whole("limits.other_connections", &c.OtherConnections, span[int]{least: 10, most: most},
			"The most TCP connections to the public listener besides `limits.connections`: of publishers, of balancers, of readers that were turned away. What comes on top is closed at once."),
		whole("limits.topics", &c.Topics, span[int]{least: 1, most: 10_000},
			"The most topics that one stream may ask for."),
		size("limits.event_bytes", &c.EventBytes, span[int]{least: 1 << 10, most: 16 << 20},
			"The most that type, data and meta of an event may have together."),
		whole("limits.batch_events", &c.BatchEvents, span[int]{least: 1, most: 100_000},
			"The most events of one request."),
		size("limits.body_bytes", &c.BodyBytes, span[int]{least: 4 << 10, most: 1 << 30},
			"The most that the body of a request may have."),
		size("limits.bodies_bytes", &c.BodiesBytes, span[int]{least: 4 << 10, most: 1 << 30},
			"The most that the bodies of all publishes in progress may have together. One of `limits.body_bytes` is taken in any case."),
		size("limits.header_bytes", &c.HeaderBytes, span[int]{least: 4 << 10, most: 1 << 20},
			"The most that the headers of a request may have."),
		whole("limits.publish_rate", &c.PublishRate, span[int]{most: most},
			"The most events a second that this node takes from publishers; 0 for no limit."),
		whole("limits.publish_burst", &c.PublishBurst, span[int]{least: 1, most: most},
			"How many events `limits.publish_rate` lets through at once after a pause."),
	}
}

func edgeSettings(c *Config) []setting {
	return []setting{
		many("cors.origins", &list[string]{at: &c.CORS.Origins, parse: parseOrigin, format: strings.Clone},
			"Exact origins of pages that may read answers, like `https://app.example.com`."),
		duration("drain.delay", &c.Drain.Delay, span[time.Duration]{most: 5 * time.Minute},
			"Time between readiness going off and the first goodbye, in which the balancer notices; 0s for none."),
		duration("drain.window", &c.Drain.Window, span[time.Duration]{most: 10 * time.Minute},
			"Time over which goodbyes are spread; 0s for all at once."),
		whole("drain.reconnect_rate", &c.Drain.ReconnectRate, span[int]{least: 1, most: 1_000_000},
			"How many readers a second the other nodes can take. Readers are told to come back within as long as that needs."),
		duration("drain.timeout", &c.Drain.Timeout, span[time.Duration]{least: time.Second, most: time.Hour},
			"How long all of the drain may take, delay and window included. What is left then is cut off."),
	}
}
