package backplanetest

import (
	"fmt"
	"slices"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func orderCases() []testCase {
	return []testCase{
		{name: "one publisher", test: orderOfOne},
		{name: "the publications of one call", test: orderOfCall},
		{name: "many publishers at once", test: orderOfMany},
		{name: "one position for all targets", test: orderOfTargets},
	}
}

func orderOfOne(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	s.join(logs...)
	s.start()
	events := s.putAll(30, logs...)
	s.awaitAll(events)
	s.same("relay", s.sink.of(logs...), events)
}

func orderOfCall(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b")}
	s.join(logs...)
	s.start()
	var batch []backplane.Publication
	var events []stored
	for i := range 20 {
		log, e := logs[i%2], s.next()
		batch = append(batch, publication(e, log))
		events = append(events, stored{log: log, event: e})
	}
	for i, r := range s.Backplane.Publish(s.t.Context(), batch) {
		s.check(r.Err)
		events[i].position = r.Positions[0]
	}
	s.awaitAll(events)
	s.same("relay", s.sink.of(logs...), events)
}

func orderOfMany(s *scene) {
	const publishers, each = 4, 25
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	head := s.join(logs...)
	s.start()
	events := make([][]stored, publishers)
	s.together(publishers, func(worker int) error {
		last := head
		for i := range each {
			e, err := s.tryPut(logs[(worker+i)%len(logs)])
			if err != nil {
				return err
			}
			if !e.position.After(last) {
				return fmt.Errorf("%v was given after %v to one publisher", e.position, last)
			}
			last = e.position
			events[worker] = append(events[worker], e)
		}
		return nil
	})
	all := slices.Concat(events...)
	slices.SortFunc(all, func(a, b stored) int { return a.position.Compare(b.position) })
	s.awaitAll(all)
	s.same("relay", s.sink.of(logs...), all)
	for _, log := range logs {
		want := slices.DeleteFunc(slices.Clone(all), func(e stored) bool { return e.log != log })
		s.same("log", s.since(log, head).Entries, want)
	}
}

func orderOfTargets(s *scene) {
	a, b, c := s.topic("a"), s.topic("b"), s.topic("c")
	s.join(a, b)
	s.start()
	before := s.put(a)
	e := s.next()
	positions := s.publish(publication(e, b, c, a))
	after := s.put(b)
	s.expect(positions[0] == positions[1] && positions[0] == positions[2], "positions %v for one event", positions)

	both := []stored{{a, positions[2], e}, {b, positions[0], e}}
	s.awaitAll(both)
	s.awaitAll([]stored{after})
	s.same("relay of a", s.sink.of(a), []stored{before, both[0]})
	s.same("relay of b", s.sink.of(b), []stored{both[1], after})
	s.same("log of c", s.since(c, before.position).Entries, []stored{{c, positions[1], e}})
}
