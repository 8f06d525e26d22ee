package config

import (
	"crypto/rand"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/secret"
)

// Secret is text that no log, error or printed configuration shows.
type Secret = secret.Text

// Config is all that can be set. Begin with Default and override: zero is a value like any other, and never means the
// default.
type Config struct {
	// Listen is the address, host:port, of the public listener; default 127.0.0.1:8080. Port 0 takes any free one. An
	// address that is not loopback needs InsecureDev.
	Listen string
	// Admin is the address, host:port, of the listener for metrics, profiles and administration; default 127.0.0.1:8081.
	// Empty means none.
	Admin string
	// AdminToken is what callers of the admin listener have to present, 16 to 512 visible ASCII characters; default empty
	// for none, which is allowed on loopback only.
	AdminToken Secret
	// InsecureDev allows Listen to be reached from other machines although nobody is authenticated; default false.
	InsecureDev bool
	// Node is this node's name in logs and in what readers are told, 1 to 100 of A-Z, a-z, 0-9, -, _ and dots; default
	// the host name and six random characters.
	Node string
	// TrustedProxies are the networks whose X-Forwarded-For is believed; default empty for none.
	TrustedProxies []netip.Prefix

	// Redis is the URL of the Redis that nodes share (see redis.CheckURL); default empty for the embedded backplane. It may
	// hold a password.
	Redis Secret

	// Auth says who may do what. Without Secret, Issuers and Keys everybody may do everything: development mode.
	Auth Auth
	// Backplane sets how Redis is used.
	Backplane Backplane
	// Log sets what is logged, and how.
	Log Log
	// Stream sets how readers are served.
	Stream Stream
	// Retention bounds the logs.
	Retention Retention
	// Publish sets how events are taken.
	Publish Publish
	// Limits bounds what callers may take.
	Limits Limits
	// CORS sets which pages of other origins may call.
	CORS CORS
	// Drain sets how a node goes.
	Drain Drain
}

// Auth says who may read and publish, and how they show it.
type Auth struct {
	// Secret signs readers' tokens (HS256), 32 to 512 bytes; default empty for none. Its issuer and audience are called pushstream.
	Secret Secret
	// Issuers are whose tokens count besides; default empty for none.
	Issuers []auth.Issuer
	// Keys are those of publishers; default empty for none.
	Keys []auth.Key
	// Cookie names the cookie that may carry a reader's token; default empty for none.
	Cookie string
	// ClockSkew is how far issuers' clocks may be off, 0s to 5m; default 30s, 0s for not at all.
	ClockSkew time.Duration
}

// Backplane sets how Redis is used. Nothing of it matters to the embedded backplane.
type Backplane struct {
	// Prefix begins the names of all keys and channels, 1 to 100 of A-Z, a-z, 0-9, -, _ and dots; default pushstream.
	Prefix string
	// Partitions is how many clocks and relays there are, 1 to 1024, the same on every node and for ever; default 1.
	Partitions int
	// Acknowledge is what an event has to reach before it is acknowledged, primary or replica; default primary.
	Acknowledge string
	// Replicas is how many replicas have to confirm at level replica, 1 to 100; default 1.
	Replicas int
	// AllowEviction accepts a Redis that evicts keys; default false.
	AllowEviction bool
	// Ingest publishes what is added to the stream PREFIX:ingest; default true.
	Ingest bool
}

// Log sets what is logged to standard error.
type Log struct {
	// Level is the least severe level that is logged: debug, info, warn or error; default info.
	Level string
	// Format is json, console, or auto, which is console on a terminal and json elsewhere; default auto.
	Format string
}

// Stream sets how readers are served.
type Stream struct {
	// Heartbeat is the silence after which a reader gets a ping, 1s to 10m; default 15s.
	Heartbeat time.Duration
	// Retry is how soon a reader comes back that lost its stream without a goodbye, 100ms to 10m; default 2s.
	Retry time.Duration
	// MaxAge is how long a stream lasts, each with its own random part of +/- 20 %, 1s to 168h; default 1h, 0 for ever.
	MaxAge time.Duration
	// WriteTimeout is how long a reader may take no byte before it is closed, 1s to 1h; default 2m.
	WriteTimeout time.Duration
	// BufferBytes is what may wait for one live reader, 4KiB to 1GiB; default 256KiB. More sends it back to the logs.
	BufferBytes int
	// PageEvents is how many events of one log a reader that catches up gets at a time, 1 to 100000; default 200.
	PageEvents int
	// PageBytes is about how much a reader that catches up gets at a time, 1KiB to 64MiB; default 64KiB.
	PageBytes int
	// InboxEvents is how many events may wait for one shard of connections, 16 to 16777216; default 65536.
	InboxEvents int
	// InboxBytes is the size of the events that may wait for one shard of connections, 64KiB to 1GiB; default 64MiB.
	InboxBytes int
}

// Retention bounds the logs.
type Retention struct {
	// Length is the most events that one log keeps, 1 to 1000000; default 1000.
	Length int
	// Age is how long a log is kept after its last event, 1s to 8760h; default 24h.
	Age time.Duration
	// Bytes is the size of the events of all logs together, in the embedded backplane, 1MiB to 1024GiB; default 256MiB.
	Bytes int
}

// Publish sets how events are taken.
type Publish struct {
	// KeyAge is how long a publisher's own key of an event is remembered, 10m to 24h; default 10m.
	KeyAge time.Duration
	// Timeout is how long storing an event may take, 100ms to 29s; default 10s.
	Timeout time.Duration
}

// Limits bounds what callers may take.
type Limits struct {
	// Connections is the most streams that the node serves, 1 to 10000000; default 18000.
	Connections int
	// ConnectionsPerAddress is the most streams of one address, 0 to 10000000; default 0 for no limit.
	ConnectionsPerAddress int
	// ConnectionsPerUser is the most streams of one user of a tenant, 0 to 10000000; default 0 for no limit.
	ConnectionsPerUser int
	// TicketsPerReader is the most tickets that one reader is given in 30 seconds, 0 to 10000000; default 100. 0 is no limit.
	TicketsPerReader int
	// OtherConnections is the most TCP connections besides Connections, 10 to 10000000; default 1900. What comes on top is
	// closed at once.
	OtherConnections int
	// Topics is the most topics that one stream may ask for, 1 to 10000; default 100.
	Topics int
	// EventBytes is the most that type, data and meta of an event may have together, 1KiB to 16MiB; default 64KiB.
	EventBytes int
	// BatchEvents is the most events of one request, 1 to 100000; default 1000.
	BatchEvents int
	// BodyBytes is the most that the body of a request may have, 4KiB to 1GiB; default 8MiB.
	BodyBytes int
	// BodiesBytes is the most that the bodies of all publishes in progress may have together, 4KiB to 1GiB; default 256MiB.
	BodiesBytes int
	// HeaderBytes is the most that the headers of a request may have, 4KiB to 1MiB; default 16KiB.
	HeaderBytes int
	// PublishRate is the most events a second that this node takes, 0 to 10000000; default 0 for no limit.
	PublishRate int
	// PublishBurst is how many events PublishRate lets through at once after a pause, 1 to 10000000; default 1000.
	PublishBurst int
}

// CORS sets which pages of other origins may call (Fetch, section 3.2).
type CORS struct {
	// Origins are the exact origins, as browsers send them, that may read answers; default empty for none.
	Origins []string
}

// Drain sets how a node goes when it is asked to.
type Drain struct {
	// Delay is the time between readiness going off and the first goodbye, in which the balancer notices, 0s to 5m;
	// default 0s for none.
	Delay time.Duration
	// Window is the time over which goodbyes are spread, 0s to 10m; default 5s, 0 for all at once.
	Window time.Duration
	// ReconnectRate is how many readers a second the other nodes can take, 1 to 1000000; default 500. Readers are told to
	// come back within as long as that needs.
	ReconnectRate int
	// Timeout is how long all of it may take, delay and window included, 1s to 1h; default 30s. What is left then is
	// cut off.
	Timeout time.Duration
}

// Default returns the defaults. Every call makes a new name for the node.
func Default() Config {
	return Config{
		Listen:    "127.0.0.1:8080",
		Admin:     "127.0.0.1:8081",
		Node:      nodeName(),
		Auth:      Auth{ClockSkew: 30 * time.Second},
		Backplane: Backplane{Prefix: "pushstream", Partitions: 1, Acknowledge: "primary", Replicas: 1, Ingest: true},
		Log:       Log{Level: "info", Format: "auto"},
		Stream: Stream{
			Heartbeat:    15 * time.Second,
			Retry:        2 * time.Second,
			MaxAge:       time.Hour,
			WriteTimeout: 2 * time.Minute,
			BufferBytes:  256 << 10,
			PageEvents:   200,
			PageBytes:    64 << 10,
			InboxEvents:  1 << 16,
			InboxBytes:   64 << 20,
		},
		Retention: Retention{Length: 1000, Age: 24 * time.Hour, Bytes: 256 << 20},
		Publish:   Publish{KeyAge: 10 * time.Minute, Timeout: 10 * time.Second},
		Limits: Limits{
			Connections:      18_000, // with the others, and 100 files more: 20,000 open files are a usual limit
			TicketsPerReader: 100,
			OtherConnections: 1900,
			Topics:           100,
			EventBytes:       64 << 10,
			BatchEvents:      1000,
			BodyBytes:        8 << 20,
			BodiesBytes:      256 << 20,
			HeaderBytes:      16 << 10,
			PublishBurst:     1000,
		},
		Drain: Drain{Window: 5 * time.Second, ReconnectRate: 500, Timeout: 30 * time.Second},
	}
}

// nodeName returns the host's name, as far as it is fit for one, and a random part: two nodes may share a host.
func nodeName() string {
	host, err := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if isNodeChar(r) {
			return r
		}
		return '-'
	}, host)
	if err != nil || host == "" {
		host = "node"
	}
	const random = 6
	return host[:min(len(host), maxNode-random-1)] + "-" + strings.ToLower(rand.Text()[:random])
}
