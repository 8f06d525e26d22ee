package redis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pushstream/pushstream/pkg/event"
)

// place is MS-SEQ: a position without its timeline, as the ids of streams are.
type place struct {
	ms, seq uint64
}

func parsePlace(text string) (place, error) {
	ms, seq, found := strings.Cut(text, "-")
	if !found {
		return place{}, fmt.Errorf("%s is not MS-SEQ", event.Quote(text))
	}
	m, err := strconv.ParseUint(ms, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%s is not MS-SEQ", event.Quote(text))
	}
	s, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%s is not MS-SEQ", event.Quote(text))
	}
	return place{m, s}, nil
}

func (p place) after(q place) bool { return p.ms > q.ms || p.ms == q.ms && p.seq > q.seq }

// appendPlace writes a position without its timeline.
func appendPlace(b []byte, p event.Position) []byte {
	b = strconv.AppendUint(b, p.Millis(), 10)
	b = append(b, '-')
	return strconv.AppendUint(b, p.Seq(), 10)
}

// timelines tells which timeline a place is of.
type timelines struct {
	closed  []closedTimeline // the oldest first
	present string
}

type closedTimeline struct {
	tag string
	end place
}

// parseTimelines reads "TAG:MS-SEQ " for each closed timeline.
func parseTimelines(ends, present string) (timelines, error) {
	t := timelines{present: present}
	for end := range strings.FieldsSeq(ends) {
		tag, at, _ := strings.Cut(end, ":")
		p, err := parsePlace(at)
		if err != nil {
			return t, fmt.Errorf("parse end of timeline %s: %w", event.Quote(tag), err)
		}
		t.closed = append(t.closed, closedTimeline{tag, p})
	}
	return t, nil
}

// position returns the position of a place.
func (t timelines) position(p place) (event.Position, error) {
	tag := t.present
	for _, c := range t.closed {
		if !p.after(c.end) {
			tag = c.tag
			break
		}
	}
	return event.NewPosition(tag, p.ms, p.seq)
}

// has reports whether a position is part of the history, of which head is the end.
func (t timelines) has(p, head event.Position) bool {
	if p.Timeline() == t.present {
		return !p.After(head)
	}
	for _, c := range t.closed {
		if c.tag == p.Timeline() {
			return !place{p.Millis(), p.Seq()}.after(c.end)
		}
	}
	return false
}
