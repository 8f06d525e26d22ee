package broker

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// Request says who wants to read what, from where on.
type Request struct {
	// Tenant is whose events they are.
	Tenant event.Tenant
	// Targets are what the reader may see, all different, one or more.
	Targets []event.Target
	// LastEventID is the cursor as the reader sent it; empty for a fresh reader. One that cannot be read is answered by a
	// gap, never refused: a native EventSource would not come back from that.
	LastEventID string
	// Envelope is the form that the reader wants.
	Envelope bool
	// Identity is an opaque digest of who the reader is.
	Identity string
	// Address is where the reader is, for people to read.
	Address string
	// Credential is what the reader has presented, nil for nothing. The stream ends with it.
	Credential *store.Credential
}

// Subscription is a reader whose logs are joined, and who has no stream yet. Either Start or Cancel is called, once.
type Subscription struct {
	// ID names the connection in logs and in the reader's hello.
	ID string

	broker  *Broker
	request Request
	logs    []*store.Log
	cursor  event.Position // zero when it could not be read
	fresh   bool
	fence   event.Position
}

// Subscribe joins a reader's logs. It blocks until the backplane has confirmed, or until ctx ends. Errors: ErrDraining,
// and those of the backplane.
func (b *Broker) Subscribe(ctx context.Context, r Request) (*Subscription, error) {
	if b.draining.Load() {
		return nil, fmt.Errorf("subscribe: %w", ErrDraining)
	}
	s := &Subscription{ID: rand.Text(), broker: b, request: r, fresh: r.LastEventID == ""}
	names := make([]event.LogName, len(r.Targets))
	for i, t := range r.Targets {
		names[i] = event.LogName{Tenant: r.Tenant, Target: t}
	}
	s.logs = b.relay.joining(names)
	head, err := b.engine.Join(ctx, names)
	if err != nil {
		b.relay.left(s.logs)
		return nil, fmt.Errorf("subscribe: join %d logs: %w", len(s.logs), err)
	}
	b.relay.joined(s.logs, head)
	s.fence = head
	if s.fresh {
		s.cursor = head
	} else if cursor, err := event.ParsePosition(r.LastEventID); err == nil {
		s.cursor = cursor
	}
	return s, nil
}

// Start gives the reader its stream. The stream's owner calls the returned connection's methods. closed is called once, when
// the stream has ended; it must not block.
func (s *Subscription) Start(stream store.Stream, closed func(store.Reason)) *store.Conn {
	b, logs := s.broker, s.logs // the rest of s does not stay
	return b.store.Attach(store.Attachment{
		ID:         s.ID,
		Address:    s.request.Address,
		Credential: s.request.Credential,
		Stream:     stream,
		Envelope:   s.request.Envelope,
		Partition:  int(b.relay.partition(s.request.Tenant)),
		Logs:       logs,
		Hello: sse.Hello{
			Cursor:     s.cursor,
			Connection: s.ID,
			Node:       b.cfg.Node,
			Identity:   s.request.Identity,
			Heartbeat:  b.cfg.Store.Heartbeat,
			Retry:      b.cfg.Retry,
			Replaying:  !s.fresh,
		}.Block(s.request.Envelope),
		Cursor: s.cursor,
		Fence:  s.fence,
		OnClose: func(reason store.Reason) {
			b.leave(logs)
			closed(reason)
		},
	})
}

// Cancel gives back what Subscribe got, for a reader that gets no stream.
func (s *Subscription) Cancel() { s.broker.leave(s.logs) }

func (b *Broker) leave(logs []*store.Log) {
	names := make([]event.LogName, len(logs))
	for i, log := range logs {
		names[i] = log.Name
	}
	b.relay.left(logs)
	b.engine.Leave(names)
}

var _ backplane.Sink = (*relay)(nil)
