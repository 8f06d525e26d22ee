package backplanetest

import (
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func chainCases() []testCase {
	return []testCase{
		{name: "an entry names the one before it", test: chainOfEntries},
		{name: "the first entry is loose", test: chainOfFirst},
		{name: "the bound of a loose entry is never later than the head", want: Retention{Age: time.Second}, test: chainAfterSilence},
	}
}

func chainOfEntries(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b")}
	head := s.join(logs...)
	s.start()
	s.awaitAll(s.putAll(10, logs...))
	for _, log := range logs {
		for what, entries := range map[string][]backplane.Entry{"relay": s.sink.of(log), "log": s.since(log, head).Entries} {
			s.expect(len(entries) == 5, "%s: %d entries, want 5", what, len(entries))
			for i, e := range entries {
				s.expect(e.Loose == (i == 0), "%s: entry %d is loose: %v", what, i, e.Loose)
				if i > 0 {
					s.expect(e.Prev == entries[i-1].Position, "%s: the entry before %v is %v, not %v", what, e.Position, entries[i-1].Position, e.Prev)
				}
			}
		}
	}
}

func chainOfFirst(s *scene) {
	a, b := s.topic("a"), s.topic("b")
	s.join(a, b)
	s.start()
	s.put(a)
	head := s.head()
	s.put(b)
	s.awaitAll([]stored{s.put(b)})

	first := s.sink.of(b)[0]
	age := uint64(s.Capabilities.RetentionAge.Milliseconds())
	s.expect(first.Loose, "the first entry of a log is not loose")
	s.expect(!first.Prev.IsZero(), "the first entry of a log has no bound")
	// The head is younger than the retention age, so it is the age that counts.
	s.expect(head.After(first.Prev), "the bound %v is not before the head %v", first.Prev, head)
	s.expect(first.Prev.Millis() == first.Position.Millis()-age, "the bound of %v is %v, not %d ms earlier", first.Position, first.Prev, age)
}

func chainAfterSilence(s *scene) {
	last := s.put(s.topic("a"))
	s.pass(s.Capabilities.RetentionAge + margin)
	head := s.head() // without a Run nothing moves it
	e := s.put(s.topic("b"))
	entries := s.since(e.log, last.position).Entries
	s.same("log", entries, []stored{e})
	if len(entries) == 1 {
		s.expect(entries[0].Loose && entries[0].Prev == head, "bound %v, loose %v; want the head %v", entries[0].Prev, entries[0].Loose, head)
	}
}
