package broker

import (
	"context"
	"crypto/rand"
	"encoding/base32"
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
	// Credential is what the reader has presented, nil for nothing. The stream ends with it.
	Credential *store.Credential
}

// Subscription is a reader whose logs are joined, and who has no stream yet. Either Start or Cancel is called, once.
type Subscription struct {
	id      connectionID
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
	s := &Subscription{id: newConnectionID(), broker: b, request: r, fresh: r.LastEventID == ""}
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

// ID names the connection in logs and in the reader's hello.
func (s *Subscription) ID() string { return s.id.String() }

// Start gives the reader its stream. The stream's owner calls the returned connection's methods.
func (s *Subscription) Start(stream store.Stream, session Session) *store.Conn {
	b := s.broker
	return b.store.Attach(store.Attachment{
		Holder:     &holder{id: s.id, broker: b, session: session}, // s does not stay
		Credential: s.request.Credential,
		Stream:     stream,
		Envelope:   s.request.Envelope,
		Partition:  int(b.relay.partition(s.request.Tenant)),
		Logs:       s.logs,
		Hello: sse.Hello{
			Cursor:     s.cursor,
			Connection: s.ID(),
			Node:       b.cfg.Node,
			Identity:   s.request.Identity,
			Heartbeat:  b.cfg.Store.Heartbeat,
			Retry:      b.cfg.Retry,
			Replaying:  !s.fresh,
		}.Block(s.request.Envelope),
		Cursor: s.cursor,
		Fence:  s.fence,
	})
}

// Cancel gives back what Subscribe got, for a reader that gets no stream.
func (s *Subscription) Cancel() { s.broker.leave(s.logs) }

// Session is what a stream belongs to. It must not block.
type Session interface {
	// Address is where the reader is, for people to read.
	Address() string
	// Closed is called once, when the stream of the named connection has ended.
	Closed(id string, reason store.Reason)
}

// holder is what the broker keeps of a subscription that has a stream. It is small, because there are many.
type holder struct {
	id      connectionID
	broker  *Broker
	session Session
}

// ID names the connection.
func (h *holder) ID() string { return h.id.String() }

// Address is where the reader is.
func (h *holder) Address() string { return h.session.Address() }

// Closed gives back what Subscribe got.
func (h *holder) Closed(logs []*store.Log, reason store.Reason) {
	h.broker.leave(logs)
	h.session.Closed(h.ID(), reason)
}

// connectionID is what a connection's name stands for: half the size, and no string of its own.
type connectionID [16]byte

func newConnectionID() (id connectionID) {
	_, _ = rand.Read(id[:])
	return id
}

// String returns the name.
func (id connectionID) String() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:])
}

func (b *Broker) leave(logs []*store.Log) {
	names := make([]event.LogName, len(logs))
	for i, log := range logs {
		names[i] = log.Name
	}
	b.relay.left(logs)
	b.engine.Leave(names)
}

var _ backplane.Sink = (*relay)(nil)
