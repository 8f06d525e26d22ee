package backplanetest

import (
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func keyCases() []testCase {
	return []testCase{
		{name: "a repeat returns the first position and stores nothing", test: keyRepeated},
		{name: "a repeat in the same call", test: keyInOneCall},
		{name: "many repeats at once", test: keyAtOnce},
		{name: "for each target", test: keyPerTarget},
		{name: "for each tenant", test: keyPerTenant},
		{name: "no key is no repeat", test: keyAbsent},
		{name: "targets and keys are kept apart", test: keyNames},
		{name: "they are remembered for their age", want: Retention{KeyAge: 2 * time.Second}, test: keyAge},
		{name: "they outlive the entry", want: Retention{Length: 3}, test: keyOfTrimmed},
	}
}

// keyed is a publication of a new event with a key.
func (s *scene) keyed(key string, logs ...event.LogName) backplane.Publication {
	s.t.Helper()
	p := publication(s.next(), logs...)
	p.Key = key
	return p
}

func keyRepeated(s *scene) {
	log := s.topic("a")
	start := s.join(log)
	s.start()
	first := s.keyed("k", log)
	position := s.publish(first)[0]
	between := s.put(log)
	for range 3 {
		again := s.publish(s.keyed("k", log))[0]
		s.expect(again == position, "a repeat is at %v, want %v", again, position)
	}
	last := s.put(log)
	want := []stored{{log, position, first.Event}, between, last}
	s.awaitAll(want)
	s.same("relay", s.sink.of(log), want)
	s.same("log", s.since(log, start).Entries, want)
}

func keyInOneCall(s *scene) {
	log := s.topic("a")
	start := s.head()
	first, other := s.keyed("k", log), s.keyed("other", log)
	results := s.Backplane.Publish(s.t.Context(), []backplane.Publication{first, s.keyed("k", log), other, s.keyed("k", log)})
	for _, r := range results {
		s.check(r.Err)
	}
	position := results[0].Positions[0]
	s.expect(results[1].Positions[0] == position && results[3].Positions[0] == position, "repeats are at %v and %v, want %v", results[1].Positions[0], results[3].Positions[0], position)
	s.same("log", s.since(log, start).Entries, []stored{{log, position, first.Event}, {log, results[2].Positions[0], other.Event}})
}

func keyAtOnce(s *scene) {
	log := s.topic("a")
	start := s.head()
	positions := make([]event.Position, 8)
	s.together(len(positions), func(worker int) error {
		for range 5 {
			given, err := s.tryPublish(s.keyed("k", log))
			if err != nil {
				return err
			}
			positions[worker] = given[0]
		}
		return nil
	})
	for _, p := range positions {
		s.expect(p == positions[0], "repeats are at %v and %v", positions[0], p)
	}
	s.expect(len(s.since(log, start).Entries) == 1, "%d entries of one key", len(s.since(log, start).Entries))
}

func keyPerTarget(s *scene) {
	a, b, c := s.topic("a"), s.topic("b"), s.topic("c")
	start := s.join(a, b, c)
	s.start()
	first := s.keyed("k", b)
	inB := s.publish(first)[0]
	second := s.keyed("k", a, b, c)
	positions := s.publish(second)
	s.expect(positions[1] == inB, "the repeat is at %v, want %v", positions[1], inB)
	s.expect(positions[0] == positions[2] && positions[0].After(inB), "positions %v, want new and equal ones for the others", positions)
	again := s.publish(s.keyed("k", c, b, a))
	s.expect(again[0] == positions[2] && again[1] == inB && again[2] == positions[0], "repeats are at %v, want %v backwards", again, positions)

	s.awaitAll([]stored{s.put(c)})
	s.same("relay of a", s.sink.of(a), []stored{{a, positions[0], second.Event}})
	s.same("relay of b", s.sink.of(b), []stored{{b, inB, first.Event}})
	s.same("log of a", s.since(a, start).Entries, []stored{{a, positions[0], second.Event}})
	s.same("log of b", s.since(b, start).Entries, []stored{{b, inB, first.Event}})
}

func keyPerTenant(s *scene) {
	mine := s.topic("a")
	other := event.LogName{Tenant: tenant(s.t, s.tenant.String()+".2"), Target: mine.Target}
	start, err := s.Backplane.Head(s.t.Context(), s.partitionOf(other.Tenant))
	s.check(err)
	s.publish(s.keyed("k", mine))
	second := s.keyed("k", other)
	position := s.publish(second)[0]
	s.same("log", s.replay(whole(other, start, position))[0].Entries, []stored{{other, position, second.Event}})
}

func keyAbsent(s *scene) {
	log := s.topic("a")
	start := s.head()
	e := s.next()
	first, second := s.publish(publication(e, log))[0], s.publish(publication(e, log))[0]
	s.same("log", s.since(log, start).Entries, []stored{{log, first, e}, {log, second, e}})
}

func keyNames(s *scene) {
	start := s.head()
	long := strings.Repeat("k", backplane.MaxKey)
	for _, c := range []struct{ topic, key string }{
		{"a", "b:c"},
		{"a:b", "c"},
		{"a", ":b:c"},
		{"a/b", "c"},
		{"a", "b/c"},
		{"a\u00e9", "k"},
		{"a", "\u00e9k"},
		{"a", "k"},
		{"a", "K"},
		{"a", " k"},
		{"a", "k\x00"},
		{"a", long},
		{"a", long[1:]},
		{"a", "%3A"},
		{"a", ":"},
	} {
		log := s.topic(c.topic)
		before := len(s.since(log, start).Entries)
		first := s.publish(s.keyed(c.key, log))[0]
		again := s.publish(s.keyed(c.key, log))[0]
		s.expect(again == first, "key %q of %v: a repeat is at %v, want %v", c.key, log, again, first)
		s.expect(len(s.since(log, start).Entries) == before+1, "key %q of %v: another event stands for it", c.key, log)
	}
}

func keyAge(s *scene) {
	log := s.topic("a")
	age := s.Capabilities.KeyAge
	first := s.publish(s.keyed("k", log))[0]
	for i := range 3 {
		s.pass(age / 4)
		again := s.publish(s.keyed("k", log))[0]
		s.expect(again == first, "%d/4 of the age later a repeat is at %v, want %v", i+1, again, first)
	}
}

func keyOfTrimmed(s *scene) {
	log := s.topic("a")
	first := s.publish(s.keyed("k", log))[0]
	s.putAll(s.Capabilities.RetentionLength+1, log)
	again := s.publish(s.keyed("k", log))[0]
	s.expect(again == first, "a repeat of an event that was trimmed is at %v, want %v", again, first)
}
