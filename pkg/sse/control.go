package sse

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Protocol is the version of the wire that pushstream.hello names.
const Protocol = 1

// Controls encodes what the node itself says to a reader. The plain form is a named event; the envelope form an unnamed
// message with the name as its type. Text that came from outside is escaped, so that a block's data is always one line.
// It is safe for concurrent use.
type Controls struct{}

// Gap says that the history of targets cannot be given in full. Its id is the cursor, not anything newer: a reader that
// breaks off here is told again.
func (Controls) Gap(envelope bool, cursor event.Position, targets []event.Target, reason event.GapReason) []byte {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.String()
	}
	return appendControl(nil, envelope, cursor, event.ReservedPrefix+"gap", struct {
		Targets []string        `json:"targets"`
		Reason  event.GapReason `json:"reason"`
	}{names, reason})
}

// Live says that the reader has caught up.
func (Controls) Live(envelope bool, cursor event.Position) []byte {
	return appendData(nil, envelope, cursor, event.ReservedPrefix+"live", []byte("{}"))
}

// Ping breaks a silence. It is no comment, because scripts do not see those.
func (Controls) Ping(envelope bool, cursor event.Position) []byte {
	return appendData(nil, envelope, cursor, event.ReservedPrefix+"ping", []byte("{}"))
}

// Bye announces the end of the stream. The reader should come back after reconnect, which goes into a retry field too; not
// at all where it is negative. It has no id.
func (Controls) Bye(envelope bool, reason string, reconnect time.Duration) []byte {
	bye := struct {
		Reason      string `json:"reason"`
		ReconnectMS *int64 `json:"reconnect_ms,omitempty"`
	}{Reason: reason}
	var block []byte
	if reconnect >= 0 {
		bye.ReconnectMS = new(reconnect.Milliseconds())
		block = appendRetry(block, reconnect)
	}
	return appendControl(block, envelope, event.Position{}, event.ReservedPrefix+"bye", bye)
}

// Hello is the first block of a stream.
type Hello struct {
	// Cursor is the reader's own, and the block's id; for a fresh reader the fence. Zero, where the reader brought one
	// that cannot be read, writes no id.
	Cursor event.Position
	// Connection names this stream.
	Connection string
	// Node names the node that serves it.
	Node string
	// Identity is an opaque digest of who the reader is.
	Identity string
	// Heartbeat is the silence after which the reader gets a ping, in whole milliseconds.
	Heartbeat time.Duration
	// Retry is how soon the reader comes back after a stream that ended without a goodbye, in whole milliseconds; not
	// negative.
	Retry time.Duration
	// Replaying says that the reader brought a cursor, and is given first what it missed.
	Replaying bool
}

// Block returns the plain or the envelope form, with a retry field before it.
func (h Hello) Block(envelope bool) []byte {
	resumed := "none"
	if h.Replaying {
		resumed = "replaying"
	}
	text := make([]byte, 0, framing)
	text = append(text, `{"protocol":`...)
	text = strconv.AppendInt(text, Protocol, 10)
	text = appendText(append(text, `,"connection":`...), h.Connection)
	text = appendText(append(text, `,"node":`...), h.Node)
	text = appendText(append(text, `,"identity":`...), h.Identity)
	text = strconv.AppendInt(append(text, `,"heartbeat_ms":`...), h.Heartbeat.Milliseconds(), 10)
	text = appendText(append(text, `,"resumed":`...), resumed)
	text = append(text, '}')
	return appendData(appendRetry(make([]byte, 0, 2*framing), h.Retry), envelope, h.Cursor, event.ReservedPrefix+"hello", text)
}

// appendText appends a JSON string. Text that needs no escaping, as names and digests do not, costs no encoder.
func appendText(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || strings.IndexByte(`"\<>&`, c) >= 0 {
			return append(dst, marshal(text)...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

func appendControl(dst []byte, envelope bool, id event.Position, name string, data any) []byte {
	return appendData(dst, envelope, id, name, marshal(data))
}

// appendData appends a block whose data is a JSON text on one line.
func appendData(dst []byte, envelope bool, id event.Position, name string, text []byte) []byte {
	dst = slices.Grow(dst, framing+len(text))
	if !envelope {
		dst = beginPlain(dst, id, name)
		dst = append(dst, text...)
		return append(dst, '\n', '\n')
	}
	dst = beginEnvelope(dst, id, id, name)
	dst = append(dst, `,"data":`...)
	dst = append(dst, text...)
	return append(dst, '}', '\n', '\n')
}
