package backplanetest

import (
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

func progressCases() []testCase {
	return []testCase{
		{name: "everything up to it has been passed on", test: progressWhileWriting},
		{name: "it keeps up without events", test: progressInSilence},
		{name: "it is a cursor without a gap", test: progressAsCursor},
		{name: "never while in doubt", test: progressInDoubt},
	}
}

// awaitProgress waits for so many more, and returns the last.
func (s *scene) awaitProgress(more int) event.Position {
	s.t.Helper()
	before := count(s.sink.all(), callProgress, s.partition)
	var last event.Position
	if !s.sink.await(func(calls []call) bool {
		for _, c := range calls {
			if c.kind == callProgress && c.partition == s.partition {
				last = c.position
			}
		}
		return count(calls, callProgress, s.partition) >= before+more
	}) {
		s.t.Fatal("there is no progress")
	}
	return last
}

func progressWhileWriting(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b")}
	head := s.join(logs...)
	s.start()
	var events []stored
	for count(s.sink.all(), callProgress, s.partition) < 3 {
		events = append(events, s.putAll(2, logs...)...)
		s.pass(20 * time.Millisecond)
		if len(events) > 1000*int(patience/time.Second) {
			s.t.Fatal("there is no progress")
		}
	}
	last := s.putAll(2, logs...)
	s.awaitAll(last)
	s.audit(head, append(events, last...))
}

func progressInSilence(s *scene) {
	s.join(s.topic("a"))
	s.start()
	began, first := time.Now(), s.awaitProgress(1)
	last := first
	for range 3 {
		next := s.awaitProgress(1)
		s.expect(next.After(last), "progress to %v, then to %v: it stands still", last, next)
		last = next
	}
	passed, progressed := time.Since(began), last.Time().Sub(first.Time())
	s.expect(progressed >= passed-2*time.Second, "progress from %v to %v in %v", first, last, passed)
}

func progressAsCursor(s *scene) {
	log := s.topic("a")
	s.join(log)
	s.start()
	events := s.putAll(2, log)
	s.awaitAll(events)
	cursor := s.awaitProgress(2)
	s.expect(!events[1].position.After(cursor), "progress to %v, seconds after %v", cursor, events[1].position)
	s.expect(len(s.verdict(whole(log, cursor, s.head()), event.GapNone).Entries) == 0, "entries behind the last progress")
	more := s.putAll(2, log)
	s.same("log", s.verdict(whole(log, cursor, s.head()), event.GapNone).Entries, more)
	never := s.topic("never-written")
	s.verdict(whole(never, cursor, s.head()), event.GapNone)
}

// progressInDoubt leaves the rest to the sink, which notes every progress while in doubt.
func progressInDoubt(s *scene) {
	s.join(s.topic("a"))
	s.start()
	s.awaitProgress(1)
	vouched := count(s.sink.all(), callVouched, s.partition)
	restore := s.interrupt()
	s.pass(2 * time.Second)
	s.put(s.topic("a"))
	restore()
	s.awaitVouched(vouched)
	s.awaitProgress(1)
	s.check(s.stop())
	seen := len(s.sink.all())
	s.pass(3 * time.Second / 2)
	s.expect(len(s.sink.all()) == seen, "the sink was called after Run returned")
}
