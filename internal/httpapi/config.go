package httpapi

import (
	"net/netip"
	"time"
)

// Config sets the limits of the public listener. It is checked where it is read, by internal/config.
type Config struct {
	// Connections is the most streams at a time.
	Connections int
	// ConnectionsPerAddress is the most streams from one address (IPv6: one /64) at a time; 0 = no limit.
	ConnectionsPerAddress int
	// ConnectionsPerUser is the most streams of one user of a tenant at a time; 0 = no limit.
	ConnectionsPerUser int
	// TicketsPerReader is the most tickets that one reader is given in 30 seconds; 0 = no limit.
	TicketsPerReader int
	// Topics is the most topics of one stream.
	Topics int
	// BatchEvents is the most events of one request.
	BatchEvents int
	// BodyBytes is the most that a request's body may have.
	BodyBytes int64
	// BodiesBytes is the most that the bodies of all publishes in progress may have; at least one of BodyBytes is let in.
	BodiesBytes int64
	// PublishRate is how many events a second are taken; 0 = no limit.
	PublishRate float64
	// PublishBurst is how many events are taken at once, at PublishRate on average.
	PublishBurst int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// SubscribeTimeout is how long joining may take.
	SubscribeTimeout time.Duration
	// WriteTimeout is how long a reader may take no byte.
	WriteTimeout time.Duration
	// Page serves the built-in page.
	Page bool
}
