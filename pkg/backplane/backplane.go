package backplane

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Backplane is what an engine implements. All methods are safe for concurrent use. After the engine was closed they return
// ErrClosed, at once; so does a Run that goes on, after its Doubt.
//
// Errors that may pass by themselves wrap ErrUnavailable.
type Backplane interface {
	// Publish appends and relays publications, and returns one result for each, in their order. A result without error
	// means: in the log of every target, and handed to the relay. One publication's error does not touch the others.
	// An error that wraps ErrUnavailable leaves open whether the publication was stored.
	//
	// Publications of one call to one partition keep their order. Calls that are made at the same time may be committed
	// together. Publish blocks until the store has answered, or until ctx ends.
	Publish(ctx context.Context, publications []Publication) []Result

	// Join asks for the relay of these logs, which are all of one partition, and returns once it is confirmed: every
	// event with a position after the returned head is passed on by Run, or a Doubt is. The head is read after the
	// confirmation. Joins are counted: each needs its Leave. After an error nothing is joined.
	//
	// Join blocks until then, or until ctx ends. It works without a Run; there is then nothing that passes events on, and
	// the next Run begins in doubt.
	Join(ctx context.Context, logs []event.LogName) (head event.Position, err error)

	// Leave gives back what one Join got. It never blocks. Events of a log that was left may still be passed on for a
	// while. Leaving more often than joining is a mistake of the caller's, and panics.
	Leave(logs []event.LogName)

	// Replay reads the logs: a page for each query, in their order, in one round trip where the engine can. All queries are
	// of one partition. It blocks until the store has answered, or until ctx ends, and returns either all pages or an
	// error.
	Replay(ctx context.Context, queries []Query) ([]Page, error)

	// Head returns the partition's last position, or where the first one will come after. It sees every Publish that
	// returned before Head was called. It blocks until the store has answered, or until ctx ends.
	Head(ctx context.Context, partition Partition) (event.Position, error)

	// Run passes on to sink what happens to the joined logs until ctx ends, and returns nil then. It comes back from
	// lost connections by itself; an error is final. Before Run returns, every partition that was vouched for gets its
	// Doubt. A second Run at the same time returns ErrRunning; a later one is allowed and begins in doubt.
	Run(ctx context.Context, sink Sink) error
}

// Sink takes what Run passes on. Its methods are called one at a time for a partition; they never block and never call the
// engine.
//
// A partition begins in doubt.
type Sink interface {
	// Relay passes on one entry of a joined log: at most once, in the order of the partition's clock while vouched for.
	// An entry without a position is live only.
	Relay(entry Entry)
	// Doubt says that the relay of the partition cannot be vouched for from here on: events may be missing, until
	// Vouched. It comes before anything that was passed on after what may be missing.
	Doubt(partition Partition, cause string)
	// Vouched says that every joined log of the partition is confirmed on the present relay: every event of theirs with
	// a position after head is passed on behind this call, or a Doubt is.
	Vouched(partition Partition, head event.Position)
	// Progress says that every event of the joined logs up to and including position has been passed on. It never comes
	// while in doubt, and comes about once a second otherwise, so that the cursor of a reader without events keeps up.
	Progress(partition Partition, position event.Position)
	// Signal passes on a message of Signals.Send: at least once, in any order, also while in doubt. Before every Vouched, all
	// that are kept for the partition have been passed on, again or not: a node that was away has not missed one. The
	// message is the sink's to keep.
	Signal(partition Partition, message []byte)
}

// Partition numbers what shares one clock and one relay, from 0.
type Partition int

// PartitionOf returns the partition of a tenant, of so many. It is the same on every node and in every release.
func PartitionOf(tenant event.Tenant, partitions int) Partition {
	if partitions <= 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(tenant.String()))          // never fails (hash.Hash)
	return Partition(h.Sum32() % uint32(partitions)) //nolint:gosec // a small positive number
}

// Publication is one event to be stored and relayed.
type Publication struct {
	// Tenant is whose event it is.
	Tenant event.Tenant
	// Targets are whom it is for: one or more, all different. The event gets the same position in the logs of all, except
	// where Key says that it is in some already.
	Targets []event.Target
	// Event is what happened. Its Time is set by the store.
	Event event.Event
	// Key is the publisher's own name for this event, at most MaxKey bytes; empty for none. For a target that had an
	// event of the same key within Capabilities.KeyAge, nothing is stored and the result has the first one's position.
	// Events that are live only have keys of their own: a repeat is not passed on again, and no stored event is a repeat
	// of one that was live only, which has no position to return.
	Key string
	// LiveOnly passes the event on without storing it: no position, no promise.
	LiveOnly bool
}

// MaxKey is the most bytes that a publication's key may have.
const MaxKey = 200

// Result says what became of a publication.
type Result struct {
	// Positions has the event's position in the log of each target, in the order of Targets. It is nil for an event
	// that is live only, and where Err is set.
	Positions []event.Position
	// Err says that the event is not known to be in every log. It wraps a sentinel of this package.
	Err error
}

// Entry is one event of one log.
type Entry struct {
	// Log is the log it is of.
	Log event.LogName
	// Event is what happened. Its Time is that of the position; for a live-only event, when the engine took it.
	Event event.Event
	// Position is the event's place; zero for an event that is live only.
	Position event.Position
	// Prev is the chain: see the package's documentation. It is zero for an event that is live only.
	Prev event.Position
	// Loose says that the log was absent before this entry, so that Prev is a bound and not an entry.
	Loose bool
}

// Query asks for one page of one log.
type Query struct {
	// Log is which log.
	Log event.LogName
	// After is the position up to which the reader has this log; only entries behind it are wanted. Zero asks for all that
	// is kept, and has no gap: somebody looks at a log without having read it.
	After event.Position
	// Through is the last position that is wanted: the head, read before. It is never zero.
	Through event.Position
	// Limit is the most entries that are wanted, 1 or more.
	Limit int
	// Bytes ends the page early: behind the entry whose event makes it as large as this or larger. 1 or more.
	Bytes int
}

// Page answers a Query.
type Page struct {
	// Entries are those with After < Position <= Through, in order.
	Entries []Entry
	// Full says that the page was ended by Limit or Bytes: it is complete up to its last entry only. A page that is not
	// full is complete up to the query's Through.
	Full bool
	// Gap is the verdict on the query's After: see the package's documentation.
	Gap event.GapReason
}

// Capabilities says what an engine can do and how it is set.
type Capabilities struct {
	// Partitions is how many clocks there are, 1 or more.
	Partitions int
	// RetentionLength is the most entries that a log keeps.
	RetentionLength int
	// RetentionAge is how long a log is kept after its last append.
	RetentionAge time.Duration
	// KeyAge is how long a publication's key is remembered, at least.
	KeyAge time.Duration
}

// Tickets keeps small values that can be taken once. It is safe for concurrent use.
type Tickets interface {
	// Put keeps value under id for age. An id that is kept already is replaced. It blocks until the store has answered.
	Put(ctx context.Context, id string, value []byte, age time.Duration) error
	// Peek returns the value without using it up; ErrNoTicket where there is none.
	Peek(ctx context.Context, id string) ([]byte, error)
	// Take returns the value and forgets it: of any number of calls, on any node, one gets it and the others
	// ErrNoTicket.
	Take(ctx context.Context, id string) ([]byte, error)
}

// Signals carries short messages to every node: who has been logged out, what is asked of all. It is safe for concurrent use.
type Signals interface {
	// Send hands a message of at most MaxSignal bytes to the Run of every node, the sender's own one included, and returns to
	// how many. Those whose relay is away are not among them: they get what is kept for longer than they are away.
	//
	// keep is how long the message is kept for nodes that come later, in whole milliseconds; 0 or less for not at all. It
	// is forgotten with the store. One that is kept has at most MaxKeptSignal bytes. A store keeps at most MaxKeptSignals
	// of a partition; more is ErrTooManySignals, and is not sent either. A message that is kept already, byte by byte, is
	// not kept twice: it is kept for the longer time of the two. An empty message is never kept.
	//
	// Send blocks until the store has answered, or until ctx ends. An error that wraps ErrUnavailable leaves open whether the
	// message was sent; to send it again is harmless where sinks take it so.
	Send(ctx context.Context, partition Partition, message []byte, keep time.Duration) (nodes int, err error)
}

const (
	// MaxSignal is the most bytes of a signal.
	MaxSignal = 64 << 10
	// MaxKeptSignal is the most bytes of one that is kept.
	MaxKeptSignal = 4 << 10
	// MaxKeptSignals is how many signals of a partition are kept at a time, at most.
	MaxKeptSignals = 10_000
)

// CheckSignal returns ErrTooLargeSignal for a message that Send does not take.
func CheckSignal(message []byte, keep time.Duration) error {
	if len(message) > MaxSignal || keep > 0 && len(message) > MaxKeptSignal {
		return fmt.Errorf("%w: it has %d bytes", ErrTooLargeSignal, len(message))
	}
	return nil
}
