package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Form is how events come over the wire.
type Form uint8

const (
	// FormEnvelope gives events with everything that is known of them. Those that come twice are recognised.
	FormEnvelope Form = iota
	// FormPlain gives type and data only, and the stream's id for the event's own: nothing else is on the wire. Events that
	// come twice are given twice.
	FormPlain
)

// maxBuffer bounds Subscription.Buffer.
const maxBuffer = 100_000

// Subscription says what a Stream reads, and how.
type Subscription struct {
	// Topics are names of topics, without "topic:". A reader reads all, its own user and its own session besides.
	Topics []string
	// User and Session say who the reader is, in development mode; otherwise the credential does, and they are ignored.
	User, Session string
	// LastEventID is where to go on: what an earlier Stream's LastEventID returned. Empty begins now.
	LastEventID string
	// Form is how events come over the wire.
	Form Form
	// Ticket gets a connect ticket with the credential before every connection, and connects with that: for a credential
	// that proxies in front of GET /events must not see, or do not pass on.
	Ticket bool
	// Buffer is how many events may be read ahead of the consumer, besides the next one, 0 to 100000. When they are there,
	// the stream is not read on, and the server waits.
	Buffer int
	// KeepDuplicates gives events that came twice, twice. Otherwise an event is dropped whose id is one of the last 1024 that
	// came.
	KeepDuplicates bool
	// OnGap is called for every gap, by the consumer's goroutine (of C: by the Stream's own): after all events that came
	// before it were handed over, and before anything newer is. Where it is nil, a gap is handed over like an event, with
	// Event.Gap. It must not close the Stream.
	OnGap func(Gap)
	// OnState is called when the connection changes, by the Stream's own goroutine: ahead of the consumer, by what is
	// buffered. It must not block and not close the Stream; nil is nobody.
	OnState func(State)
}

// Validate returns all faults, each with the name of its field.
func (s Subscription) Validate() error {
	var faults []error
	check := func(field string, _ event.Target, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", field, err))
		}
	}
	for i, topic := range s.Topics {
		target, err := event.Topic(topic)
		check(fmt.Sprintf("Topics[%d]", i), target, err)
	}
	if s.User != "" {
		target, err := event.User(s.User)
		check("User", target, err)
	}
	if s.Session != "" {
		target, err := event.Session(s.Session)
		check("Session", target, err)
	}
	if s.Form > FormPlain {
		faults = append(faults, fmt.Errorf("Form: %d is neither FormEnvelope nor FormPlain", s.Form))
	}
	if s.Buffer < 0 || s.Buffer > maxBuffer {
		faults = append(faults, fmt.Errorf("%s: %d is not 0 to %d", "Buffer", s.Buffer, maxBuffer))
	}
	return errors.Join(faults...)
}

// TypeGap is the type of a gap that is handed over like an event.
const TypeGap = event.ReservedPrefix + "gap"

// Event is an event as it is read.
type Event struct {
	// ID is the event's own: compare it for equality only. Empty for one that is live only, and for a gap. It is not always
	// where to go on: that is Stream.LastEventID.
	ID string
	// Type is what happened. In the plain form, a block without a name has "message".
	Type string
	// Target is whom the event is for; of several, one that this reader reads. Empty in the plain form.
	Target string
	// Data is the JSON as it was published.
	Data json.RawMessage
	// Meta is the publisher's JSON object, nil without one, and in the plain form.
	Meta json.RawMessage
	// Time is when the event was stored, zero in the plain form.
	Time time.Time
	// Gap is set for a gap, where there is no OnGap; then Type is TypeGap.
	Gap *Gap
}

// Gap says that history cannot be given in full: what the application has of these targets may be out of date. Load it
// again, then follow.
type Gap struct {
	// Targets are the ones concerned. None means: whichever.
	Targets []string
	// Reason is why.
	Reason event.GapReason
}

// Concerns reports whether it may be in a target's history.
func (g Gap) Concerns(target string) bool {
	return len(g.Targets) == 0 || slices.Contains(g.Targets, target)
}

// Phase is what a Stream's connection is doing.
type Phase uint8

// The phases of a connection.
const (
	// PhaseOpen: the server has said hello. From here on nothing is missed.
	PhaseOpen Phase = iota + 1
	// PhaseLive: all that was missed has come.
	PhaseLive
	// PhaseWaiting: the connection ended, or there was none. The Stream comes back after State.Wait.
	PhaseWaiting
)

// String returns the phase's name.
func (p Phase) String() string {
	switch p {
	case PhaseOpen:
		return "open"
	case PhaseLive:
		return "live"
	case PhaseWaiting:
		return "waiting"
	default:
		return "unknown"
	}
}

// State is what has become of a Stream's connection.
type State struct {
	Phase Phase
	// Connection, Node and Identity are what the server said in its hello; empty while waiting.
	Connection, Node, Identity string
	// Resumed says that the reader brought a cursor, and is given first what it missed.
	Resumed bool
	// Err is why the connection ended, and Wait when the Stream comes back; in PhaseWaiting only. Err may be nil: streams
	// end.
	Err  error
	Wait time.Duration
}
