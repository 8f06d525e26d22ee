package event

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unique"
)

const (
	// MaxTimeline is the most characters that a timeline's tag may have.
	MaxTimeline = 16
	// maxMillis keeps a position's time inside what JavaScript numbers and time.Time hold exactly.
	maxMillis = 1<<53 - 1
)

// Position is a place in the order of one partition: TIMELINE.MS-SEQ. MS-SEQ alone orders positions; the timeline's tag
// only validates, so that history which the store has lost is recognised. Positions are comparable. The zero Position
// stands for "none": an event that was never stored, or a reader that has no cursor.
type Position struct {
	// Every reader has some, of very few timelines. What is made unique is small, equal by its address, and does not keep the
	// text that it was read from.
	timeline unique.Handle[string]
	millis   uint64
	seq      uint64
}

// NewPosition returns the position of one append: the timeline's tag (1 to MaxTimeline characters A-Z a-z 0-9), the
// store's clock in milliseconds since 1970, and a number that counts within that millisecond. The error wraps ErrInvalid.
func NewPosition(timeline string, millis, seq uint64) (Position, error) {
	if timeline == "" || len(timeline) > MaxTimeline {
		return Position{}, invalidf("position", "the timeline has %d characters, allowed are 1 to %d", len(timeline), MaxTimeline)
	}
	for i := range len(timeline) {
		if !isAlnum(timeline[i]) {
			return Position{}, invalidf("position", "timeline %s: only A-Z a-z 0-9 are allowed", Quote(timeline))
		}
	}
	if millis > maxMillis {
		return Position{}, invalidf("position", "%d milliseconds are too many", millis)
	}
	return Position{timeline: unique.Make(timeline), millis: millis, seq: seq}, nil
}

// ParsePosition reads TIMELINE.MS-SEQ as String writes it: no other spelling of the same numbers is taken. The error
// wraps ErrInvalid.
func ParsePosition(s string) (Position, error) {
	timeline, place, dot := strings.Cut(s, ".")
	ms, seq, dash := strings.Cut(place, "-")
	if !dot || !dash {
		return Position{}, invalidf("position", "%s is not TIMELINE.MS-SEQ", Quote(s))
	}
	m, errM := parseNumber(ms)
	q, errQ := parseNumber(seq)
	if errM != nil || errQ != nil {
		return Position{}, invalidf("position", "%s: MS and SEQ are numbers without sign or leading zero", Quote(s))
	}
	return NewPosition(timeline, m, q)
}

func parseNumber(s string) (uint64, error) {
	if s == "" || s[0] == '+' || s[0] == '-' || (s[0] == '0' && s != "0") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(s, 10, 64)
}

// IsZero reports whether p is the zero Position, which stands for "none".
func (p Position) IsZero() bool { return p.timeline == unique.Handle[string]{} }

// Timeline returns the tag of the timeline that p belongs to.
func (p Position) Timeline() string {
	if p.IsZero() {
		return ""
	}
	return p.timeline.Value()
}

// Millis returns the store's clock at the append, in milliseconds since 1970. It never goes back within a partition.
func (p Position) Millis() uint64 { return p.millis }

// Seq returns the number that counts within one millisecond.
func (p Position) Seq() uint64 { return p.seq }

// Time returns the store's clock at the append, in UTC, exact to the millisecond.
func (p Position) Time() time.Time { return time.UnixMilli(int64(p.millis)).UTC() } //nolint:gosec // at most 2^53

// Compare orders positions by MS-SEQ, whatever their timelines: -1, 0 or +1. The zero Position comes before all others.
func (p Position) Compare(q Position) int {
	switch {
	case p.IsZero() && q.IsZero():
		return 0
	case p.IsZero():
		return -1
	case q.IsZero():
		return 1
	}
	if c := cmp.Compare(p.millis, q.millis); c != 0 {
		return c
	}
	return cmp.Compare(p.seq, q.seq)
}

// After reports whether p comes after q.
func (p Position) After(q Position) bool { return p.Compare(q) > 0 }

// Later returns the later of p and q; p where they are equal.
func (p Position) Later(q Position) Position {
	if q.After(p) {
		return q
	}
	return p
}

// AppendTo appends the form that ParsePosition reads. It only has characters A-Z a-z 0-9 "." and "-", at most 54 of
// them, so that a browser can send it back in Last-Event-ID without a CORS preflight (Fetch, section 2.2.2: at most 128
// safe bytes). The zero Position appends nothing.
func (p Position) AppendTo(b []byte) []byte {
	if p.IsZero() {
		return b
	}
	b = append(b, p.timeline.Value()...)
	b = append(b, '.')
	b = strconv.AppendUint(b, p.millis, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, p.seq, 10)
}

// String returns the form that ParsePosition reads, empty for the zero Position.
func (p Position) String() string {
	var room [56]byte
	return string(p.AppendTo(room[:0]))
}
