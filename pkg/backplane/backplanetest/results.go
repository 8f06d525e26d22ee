package backplanetest

import (
	"context"
	"errors"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func resultCases() []testCase {
	return []testCase{
		{name: "one for each publication, in their order", test: resultForEach},
		{name: "an acknowledged event is in the log of every target", test: resultIsStored},
		{name: "an ended context is an error of everything", test: resultOfEndedContext},
		{name: "nothing for nothing", test: resultOfNothing},
	}
}

func resultForEach(s *scene) {
	a, b, c := s.topic("a"), s.topic("b"), s.topic("c")
	last := s.head()
	results := s.Backplane.Publish(s.t.Context(), []backplane.Publication{
		publication(s.next(), a),
		publication(s.next(), b, a, c),
		{Tenant: s.tenant, Targets: []event.Target{a.Target}, Event: s.next(), LiveOnly: true},
		publication(s.next(), c, b),
		publication(s.next(), a),
	})
	targets := []int{1, 3, 0, 2, 1}
	if len(results) != len(targets) {
		s.t.Fatalf("%d results for %d publications", len(results), len(targets))
	}
	for i, r := range results {
		s.check(r.Err)
		s.expect(len(r.Positions) == targets[i], "result %d has %d positions, want %d", i, len(r.Positions), targets[i])
		for _, p := range r.Positions {
			s.expect(p.After(last), "result %d: %v does not come after %v", i, p, last)
			s.expect(p == r.Positions[0], "result %d: %v and %v for one event", i, r.Positions[0], p)
		}
		if len(r.Positions) > 0 {
			last = r.Positions[0]
		}
	}
}

func resultIsStored(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	head := s.head()
	var want [3][]stored
	for range 3 {
		e := s.next()
		for i, p := range s.publish(publication(e, logs...)) {
			want[i] = append(want[i], stored{logs[i], p, e})
			s.same("log", s.since(logs[i], head).Entries, want[i])
		}
	}
	bare := s.next()
	bare.Meta = event.JSON{}
	p := s.publish(publication(bare, logs[0]))
	s.same("event without meta", s.since(logs[0], want[0][2].position).Entries, []stored{{logs[0], p[0], bare}})
}

func resultOfEndedContext(s *scene) {
	log := s.topic("a")
	head := s.head()
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()

	for _, r := range s.Backplane.Publish(ctx, []backplane.Publication{publication(s.next(), log), publication(s.next(), log)}) {
		s.expect(errors.Is(r.Err, context.Canceled), "Publish: %v does not wrap context.Canceled", r.Err)
		s.expect(errors.Is(r.Err, backplane.ErrUnavailable), "Publish: %v does not wrap ErrUnavailable", r.Err)
	}
	_, err := s.Backplane.Head(ctx, s.partition)
	s.expect(errors.Is(err, context.Canceled), "Head: %v does not wrap context.Canceled", err)
	_, err = s.Backplane.Replay(ctx, []backplane.Query{whole(log, head, head)})
	s.expect(errors.Is(err, context.Canceled), "Replay: %v does not wrap context.Canceled", err)
	_, err = s.Backplane.Join(ctx, []event.LogName{log})
	s.expect(errors.Is(err, context.Canceled), "Join: %v does not wrap context.Canceled", err)
	s.expect(s.leavePanics(log), "a Join that returned an error has joined")
}

func resultOfNothing(s *scene) {
	s.expect(len(s.Backplane.Publish(s.t.Context(), nil)) == 0, "results without publications")
	s.expect(len(s.replay()) == 0, "pages without queries")
}
