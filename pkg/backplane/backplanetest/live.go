package backplanetest

import (
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func liveCases() []testCase {
	return []testCase{
		{name: "passed on without a place, and not stored", test: liveIsNotStored},
		{name: "no link of the chain", test: liveIsNoLink},
		{name: "a repeat is passed on once", test: liveRepeated},
		{name: "a stored event is no repeat of it", test: liveThenStored},
	}
}

// liveOnly is a publication of a new event that is not to be stored.
func (s *scene) liveOnly(key string, logs ...event.LogName) backplane.Publication {
	s.t.Helper()
	p := s.keyed(key, logs...)
	p.LiveOnly = true
	return p
}

// awaitLive waits for a live-only event, which has no position to know it by.
func (s *scene) awaitLive(log event.LogName, e event.Event) backplane.Entry {
	s.t.Helper()
	var found backplane.Entry
	if !s.sink.await(func(calls []call) bool {
		for _, c := range calls {
			if c.kind == callRelay && c.entry.Log == log && sameEvent(c.entry.Event, e) {
				found = c.entry
				return true
			}
		}
		return false
	}) {
		s.t.Fatalf("the live-only event %v is not passed on", e.Data)
	}
	return found
}

// countLive returns how many events without a position were passed on.
func (s *scene) countLive(log event.LogName) int {
	return len(s.sink.entries(func(e backplane.Entry) bool { return e.Log == log && e.Position.IsZero() }))
}

func liveIsNotStored(s *scene) {
	a, b, other := s.topic("a"), s.topic("b"), s.topic("c")
	start := s.join(a, b)
	s.start()
	p := s.liveOnly("", a, other, b)
	positions := s.publish(p)
	s.expect(positions == nil, "a live-only event has positions %v", positions)
	for _, log := range []event.LogName{a, b} {
		e := s.awaitLive(log, p.Event)
		s.expect(e.Position.IsZero() && e.Prev.IsZero() && !e.Loose, "a live-only event has the place %v behind %v, loose %v", e.Position, e.Prev, e.Loose)
		s.expect(!e.Event.Time.IsZero() && !e.Event.Time.Before(start.Time()), "a live-only event has time %v, published after %v", e.Event.Time, start.Time())
		page := s.since(log, start)
		s.expect(len(page.Entries) == 0 && page.Gap == event.GapNone, "the log of a live-only event: %d entries, gap %q", len(page.Entries), page.Gap)
	}
	s.awaitAll([]stored{s.put(a)})
	s.expect(s.countLive(other) == 0, "a live-only event of a log that nobody joined was passed on")
}

func liveIsNoLink(s *scene) {
	log := s.topic("a")
	start := s.join(log)
	s.start()
	first := s.put(log)
	s.publish(s.liveOnly("", log))
	second := s.put(log)
	s.awaitAll([]stored{first, second})
	for _, entries := range [][]backplane.Entry{s.sink.of(log), s.since(log, start).Entries} {
		s.same("entries", entries, []stored{first, second})
		s.expect(entries[1].Prev == first.position, "the entry before %v is %v, want %v", second.position, entries[1].Prev, first.position)
	}
}

func liveRepeated(s *scene) {
	log := s.topic("a")
	s.join(log)
	s.start()
	s.publish(s.liveOnly("k", log))
	s.publish(s.liveOnly("k", log))
	other := s.liveOnly("other", log)
	s.publish(other)
	s.awaitLive(log, other.Event)
	s.expect(s.countLive(log) == 2, "%d live-only events were passed on, want 2", s.countLive(log))
	for range 2 {
		last := s.liveOnly("", log)
		s.publish(last)
		s.awaitLive(log, last.Event)
	}
}

func liveThenStored(s *scene) {
	log := s.topic("a")
	start := s.join(log)
	s.start()
	s.publish(s.liveOnly("k", log))
	p := s.keyed("k", log)
	want := []stored{{log, s.publish(p)[0], p.Event}}
	s.awaitAll(want)
	s.same("log", s.since(log, start).Entries, want)
}
