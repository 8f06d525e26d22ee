package event

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxType is the most bytes that an event's type may have.
	MaxType = 100
	// ReservedPrefix begins the names of the control blocks of the wire; no published type may begin with it.
	ReservedPrefix = "pushstream."
)

// Type names what happened, as domain.action: order.created. Types are comparable.
type Type struct {
	name string
}

// ParseType reads two or more words of A-Z a-z 0-9 - _ with single dots between them, at most MaxType bytes. Types that
// begin with ReservedPrefix, in any case of letters, are refused. The error wraps ErrInvalid.
func ParseType(s string) (Type, error) {
	if s == "" || len(s) > MaxType {
		return Type{}, invalidf("type", "it has %d bytes, allowed are 1 to %d", len(s), MaxType)
	}
	if strings.IndexByte(s, '.') < 0 {
		return Type{}, invalidf("type", "%s is not domain.action, like order.created", Quote(s))
	}
	word := 0 // bytes of it so far
	for i := range len(s) {
		switch c := s[i]; {
		case isAlnum(c), c == '-', c == '_':
			word++
		case c != '.':
			return Type{}, invalidf("type", "%s: only A-Z a-z 0-9 - _ and dots are allowed", Quote(s))
		case word == 0, i == len(s)-1:
			return Type{}, invalidf("type", "%s has an empty word; it is domain.action, like order.created", Quote(s))
		default:
			word = 0
		}
	}
	if len(s) > len(ReservedPrefix) && strings.EqualFold(s[:len(ReservedPrefix)], ReservedPrefix) {
		return Type{}, invalidf("type", "%s: names that begin with %q are reserved", Quote(s), ReservedPrefix)
	}
	return Type{name: s}, nil
}

// String returns the type's name.
func (t Type) String() string { return t.name }

// JSON is one valid JSON value (RFC 8259) in UTF-8 that has no CR or LF, so that it is one line of an event stream. The
// zero JSON is absent, which is not the same as null.
type JSON struct {
	raw []byte
}

// ParseJSON takes one JSON value. It keeps the publisher's own spelling of numbers and strings; only white space is
// removed, and only where a line break has to go. It keeps b, which must not be changed afterwards. The error wraps
// ErrInvalid.
func ParseJSON(b []byte) (JSON, error) {
	d, err := ParseDocument(b)
	if err != nil {
		return JSON{}, err
	}
	return JSON{raw: d.line()}, nil
}

// ParseObject is ParseJSON for a value that has to be an object.
func ParseObject(b []byte) (JSON, error) {
	v, err := ParseJSON(b)
	if err == nil && v.raw[0] != '{' {
		return JSON{}, invalidf("JSON", "it is not an object")
	}
	return v, err
}

// Text returns a text as a JSON string. The error wraps ErrInvalid: it is not UTF-8.
func Text(s string) (JSON, error) {
	if !utf8.ValidString(s) {
		return JSON{}, invalidf("text", "it is not UTF-8")
	}
	b, err := json.Marshal(s)
	if err != nil {
		return JSON{}, invalidf("text", "%v", err)
	}
	return JSON{raw: b}, nil
}

// IsZero reports whether the value is absent.
func (j JSON) IsZero() bool { return len(j.raw) == 0 }

// Bytes returns the value's text, nil where it is absent. It is shared: do not change it.
func (j JSON) Bytes() []byte { return j.raw }

// String returns the value's text.
func (j JSON) String() string { return string(j.raw) }

// Event is what happened, without saying for whom or when it was stored: that is a log's matter.
type Event struct {
	// Type names what happened.
	Type Type
	// Data is any JSON value.
	Data JSON
	// Meta is a JSON object of the publisher's, for readers that want more than the data; absent when zero.
	Meta JSON
	// Time is the store's clock when the event was taken, in UTC, exact to the millisecond. Publishers leave it zero.
	Time time.Time
}

// Size returns the bytes that count against the limit of an event: those of type, data and meta.
func (e Event) Size() int { return len(e.Type.name) + len(e.Data.raw) + len(e.Meta.raw) }

// GapReason says why a target's history cannot be given in full. It stands on the wire.
type GapReason string

// The reasons of a gap.
const (
	// GapNone: there is no gap.
	GapNone GapReason = ""
	// GapTrimmed: the log was cut to its length, and what the reader wanted was cut off.
	GapTrimmed GapReason = "trimmed"
	// GapExpired: the reader was away for longer than logs are kept.
	GapExpired GapReason = "expired"
	// GapLost: the store lost history that this reader may have missed, or cannot tell what the reader has had.
	GapLost GapReason = "lost"
)
