package backplanetest

import (
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// margin is what the suite waits longer than an age, since servers look at their clocks in their own way.
const margin = 100 * time.Millisecond

func gapCases() []testCase {
	short, brief := Retention{Length: 5}, Retention{Age: time.Second}
	return []testCase{
		{name: "trimmed", want: short, test: gapTrimmed},
		{name: "trimmed between two pages", want: short, test: gapTrimmedBetweenPages},
		{name: "trimmed, told by the entry beyond through", want: short, test: gapTrimmedBeyondThrough},
		{name: "expired, the log is gone", want: brief, test: gapExpired},
		{name: "expired, and written again", want: brief, test: gapExpiredAndWritten},
		{name: "lost, an unknown timeline", test: gapUnknownTimeline},
		{name: "lost, beyond the end of the timeline", test: gapBeyondEnd},
		{name: "lost, before the birth", test: gapBeforeBirth},
		{name: "lost, by a restart", test: gapAfterRestart},
		{name: "none at the head", want: brief, test: gapNoneAtHead},
		{name: "none within the retention", test: gapNoneWithinRetention},
	}
}

// verdict expects the verdict on a position, and returns the page.
func (s *scene) verdict(q backplane.Query, want event.GapReason) backplane.Page {
	s.t.Helper()
	page := s.replay(q)[0]
	s.expect(page.Gap == want, "gap %q after %v of %v, want %q", page.Gap, q.After, q.Log, want)
	if page.Gap == event.GapLost {
		s.expect(len(page.Entries) == 0, "%d entries in a page whose verdict is lost", len(page.Entries))
	}
	return page
}

func gapTrimmed(s *scene) {
	log := s.topic("a")
	start := s.head()
	length := s.Capabilities.RetentionLength
	events := s.putAll(length+4, log)
	head := s.head()

	kept := s.verdict(whole(log, start, head), event.GapTrimmed).Entries
	if len(kept) == 0 || len(kept) > length {
		s.t.Fatalf("%d entries are kept, want 1 to %d", len(kept), length)
	}
	first := len(events) - len(kept)
	s.same("kept", kept, events[first:])
	for i, e := range events {
		want := event.GapNone
		if i < first-1 {
			want = event.GapTrimmed
		}
		page := s.verdict(whole(log, e.position, head), want)
		s.same("behind an event", page.Entries, events[max(i+1, first):])
	}
}

func gapTrimmedBetweenPages(s *scene) {
	log := s.topic("a")
	length := s.Capabilities.RetentionLength
	q := whole(log, s.head(), event.Position{})
	events := s.putAll(length, log)
	q.Through, q.Limit = events[length-1].position, 1
	page := s.verdict(q, event.GapNone)
	s.same("first page", page.Entries, events[:1])

	s.putAll(length-1, log) // only the last of events is left
	q.After = events[0].position
	s.same("second page", s.verdict(q, event.GapTrimmed).Entries, events[length-1:])
}

func gapTrimmedBeyondThrough(s *scene) {
	log := s.topic("a")
	start := s.head()
	events := s.putAll(3, log)
	through := s.head()
	s.putAll(s.Capabilities.RetentionLength, log) // nothing of events is left
	for i, after := range []event.Position{start, events[0].position, events[1].position} {
		page := s.verdict(whole(log, after, through), event.GapTrimmed)
		s.expect(len(page.Entries) == 0, "%d entries beyond through, in page %d", len(page.Entries), i)
	}
	s.verdict(whole(log, events[2].position, through), event.GapNone)
}

func gapExpired(s *scene) {
	log := s.topic("a")
	start := s.head()
	e := s.put(log)
	s.pass(s.Capabilities.RetentionAge + margin)
	last := s.put(s.topic("b")) // moves the head away
	page := s.verdict(whole(log, start, last.position), event.GapExpired)
	s.expect(len(page.Entries) == 0, "%d entries of a log that has expired", len(page.Entries))
	s.verdict(whole(log, last.position, last.position), event.GapNone)
	s.expect(!last.position.Time().Before(e.position.Time().Add(s.Capabilities.RetentionAge)), "the clock stood still from %v to %v", e.position, last.position)
}

func gapExpiredAndWritten(s *scene) {
	log := s.topic("a")
	start := s.head()
	s.put(log)
	s.pass(s.Capabilities.RetentionAge + margin)
	before := s.put(s.topic("b"))
	again := s.putAll(2, log)
	head := s.head()
	s.same("log", s.verdict(whole(log, start, head), event.GapExpired).Entries, again)
	s.verdict(whole(log, start, before.position), event.GapExpired)
	s.same("log", s.verdict(whole(log, before.position, head), event.GapNone).Entries, again)
	s.same("log", s.verdict(whole(log, again[0].position, head), event.GapNone).Entries, again[1:])
}

// other returns a position like p with another timeline or time.
func (s *scene) other(timeline string, millis, seq uint64) event.Position {
	s.t.Helper()
	p, err := event.NewPosition(timeline, millis, seq)
	s.check(err)
	return p
}

func (s *scene) lost(after event.Position) {
	s.t.Helper()
	written := s.put(s.topic("a"))
	s.verdict(whole(written.log, after, written.position), event.GapLost)
	s.verdict(whole(s.topic("never-written"), after, written.position), event.GapLost)
}

func gapUnknownTimeline(s *scene) {
	head := s.head()
	s.lost(s.other("unknown0unknown0", head.Millis(), head.Seq()))
	head = s.head()
	s.lost(s.other("unknown0unknown0", head.Millis(), head.Seq()))
}

func gapBeyondEnd(s *scene) {
	head := s.head()
	s.lost(s.other(head.Timeline(), head.Millis()+uint64(time.Hour.Milliseconds()), 0))
	head = s.put(s.topic("a")).position
	s.verdict(whole(s.topic("a"), s.other(head.Timeline(), head.Millis(), head.Seq()+1), head), event.GapLost)
}

func gapBeforeBirth(s *scene) {
	head := s.head()
	s.lost(s.other(head.Timeline(), head.Millis()-uint64(time.Minute.Milliseconds()), 0))
	s.lost(s.other(head.Timeline(), 1, 0))
}

func gapAfterRestart(s *scene) {
	start := s.head()
	e := s.put(s.topic("a"))
	if s.Restart != nil {
		s.Harness = s.Restart(s.t)
	} else {
		s.Harness = s.reopen()
	}
	s.t.Cleanup(s.Close)
	for range 2 {
		head := s.head()
		for _, after := range []event.Position{start, e.position} {
			s.verdict(whole(e.log, after, head), event.GapLost)
		}
		s.put(e.log)
	}
	s.verdict(whole(e.log, s.head(), s.head()), event.GapNone)
}

func gapNoneAtHead(s *scene) {
	written, never := s.topic("a"), s.topic("never-written")
	start := s.head()
	s.verdict(whole(never, start, start), event.GapNone)
	s.put(written)
	head := s.head()
	for range 2 {
		s.verdict(whole(written, head, head), event.GapNone)
		s.verdict(whole(never, head, head), event.GapNone)
		s.pass(s.Capabilities.RetentionAge + margin)
	}
	// Who had everything when the silence began has missed nothing that came after it.
	again := s.put(written)
	s.same("log", s.verdict(whole(written, head, again.position), event.GapNone).Entries, []stored{again})
}

func gapNoneWithinRetention(s *scene) {
	busy, quiet := s.topic("a"), s.topic("b")
	start := s.head()
	s.putAll(50, busy)
	s.verdict(whole(quiet, start, s.head()), event.GapNone)
	e := s.put(quiet)
	s.same("log", s.verdict(whole(quiet, start, s.head()), event.GapNone).Entries, []stored{e})
}
