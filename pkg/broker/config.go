package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/store"
)

// Config sets what the broker does with events and readers.
type Config struct {
	// Node is this node's name, as readers are told it.
	Node string
	// Store bounds the connections.
	Store store.Config
	// Retry is how soon a reader comes back that lost its stream without a goodbye; default 2 s, at least 1 ms.
	Retry time.Duration
	// EventBytes is the most that an event's type, data and meta may have together; default 64 KiB.
	EventBytes int
	// PublishTimeout is how long a publish may take; default 10 s, at least 1 ms.
	PublishTimeout time.Duration
	// Readers is how many connections read the logs at the same time; default 8.
	Readers int
	// BatchRequests is how many connections' logs are read in one round trip at most, where many wait; default 32. Each gets
	// so much less at a time.
	BatchRequests int
	// PageEvents is how many events of one log a connection reads at a time; default 200.
	PageEvents int
	// PageBytes is about how much a connection reads at a time, of all its logs; default 64 KiB.
	PageBytes int
	// ReadTimeout is how long reading the logs may take; default 5 s, at least 1 ms.
	ReadTimeout time.Duration
	// DrainWindow is the time over which a drain spreads its goodbyes; default 5 s, 0 = all at once.
	DrainWindow time.Duration
	// ReconnectRate is how many readers a second the other nodes can take; default 500. It sizes the window in which
	// drained readers come back.
	ReconnectRate int
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Node:           "node",
		Store:          store.DefaultConfig(),
		Retry:          2 * time.Second,
		EventBytes:     64 << 10,
		PublishTimeout: 10 * time.Second,
		Readers:        8,
		BatchRequests:  32,
		PageEvents:     200,
		PageBytes:      64 << 10,
		ReadTimeout:    5 * time.Second,
		DrainWindow:    5 * time.Second,
		ReconnectRate:  500,
	}
}

// Validate returns all faults, each with the name of its field.
func (c Config) Validate() error {
	var faults []error
	if c.Node == "" {
		faults = append(faults, errors.New("Node: it is empty")) //nolint:staticcheck // begins with a field's name
	}
	atLeast := func(name string, value, least int64) {
		if value < least {
			faults = append(faults, fmt.Errorf("%s: %d is under %d", name, value, least))
		}
	}
	atLeast("Retry", c.Retry.Milliseconds(), 1)
	atLeast("EventBytes", int64(c.EventBytes), 1)
	atLeast("PublishTimeout", c.PublishTimeout.Milliseconds(), 1)
	atLeast("Readers", int64(c.Readers), 1)
	atLeast("BatchRequests", int64(c.BatchRequests), 1)
	atLeast("PageEvents", int64(c.PageEvents), 1)
	atLeast("PageBytes", int64(c.PageBytes), 1)
	atLeast("ReadTimeout", c.ReadTimeout.Milliseconds(), 1)
	atLeast("DrainWindow", c.DrainWindow.Milliseconds(), 0)
	atLeast("ReconnectRate", int64(c.ReconnectRate), 1)
	return errors.Join(append(faults, c.Store.Validate())...)
}
