package backplanetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pushstream/pushstream/pkg/event"
)

func joinCases() []testCase {
	return []testCase{
		{name: "every event after the returned head is passed on", test: joinWhileWriting},
		{name: "joins are counted", test: joinCounted},
		{name: "a log can be joined again", test: joinAgain},
		{name: "joining and leaving at the same time", test: joinAndLeave},
		{name: "without a Run", test: joinWithoutRun},
		{name: "other logs are not passed on", test: joinOthers},
		{name: "leaving more often than joining panics", test: joinPanics},
	}
}

// leavePanics reports whether leaving a log is refused.
func (s *scene) leavePanics(log event.LogName) (panics bool) {
	defer func() { panics = recover() != nil }()
	s.Backplane.Leave([]event.LogName{log})
	return false
}

func joinWhileWriting(s *scene) {
	s.start()
	var logs []event.LogName
	for i := range 8 {
		logs = append(logs, s.topic(fmt.Sprint("log-", i)))
	}
	var (
		writing sync.WaitGroup
		wrote   = make([][]stored, 2)
		failed  = make([]error, 2)
	)
	for w := range wrote {
		writing.Go(func() {
			for i := 0; i < 80 && failed[w] == nil; i++ {
				var e stored
				e, failed[w] = s.tryPut(logs[i%len(logs)])
				wrote[w] = append(wrote[w], e)
			}
		})
	}
	heads := make(map[event.LogName]event.Position)
	for _, log := range logs {
		heads[log] = s.join(log)
	}
	writing.Wait()
	s.check(failed[0])
	s.check(failed[1])
	last := s.putAll(len(logs), logs...)
	for _, log := range logs {
		due := slices.DeleteFunc(slices.Concat(wrote[0], wrote[1], last), func(e stored) bool {
			return e.log != log || !e.position.After(heads[log])
		})
		s.awaitAll(due)
		s.audit(heads[log], due)
	}
}

func joinCounted(s *scene) {
	a, b := s.topic("a"), s.topic("b")
	s.start()
	head := s.join(a)
	s.join(a, b)
	s.Backplane.Leave([]event.LogName{a})
	s.join(a, a)
	s.Backplane.Leave([]event.LogName{a, a})
	events := s.putAll(6, a, b)
	s.awaitAll(events)
	s.Backplane.Leave([]event.LogName{b})
	more := s.putAll(3, a)
	s.awaitAll(more)
	s.audit(head, append(events, more...))
	s.Backplane.Leave([]event.LogName{a})
	s.expect(s.leavePanics(a), "a log was left as often as it was joined, and is joined")
}

func joinAgain(s *scene) {
	log := s.topic("a")
	s.start()
	for range 5 {
		head := s.join(log)
		events := s.putAll(3, log)
		s.awaitAll(events)
		s.audit(head, events)
		s.Backplane.Leave([]event.LogName{log})
	}
}

// joinAndLeave has some that come and go, and one that stays: none may take the relay away from another.
func joinAndLeave(s *scene) {
	log, stays := s.topic("a"), s.topic("b")
	s.start()
	s.join(stays)
	s.together(4, func(worker int) error {
		for range 15 {
			head, err := s.Backplane.Join(s.t.Context(), []event.LogName{log, stays})
			if err != nil {
				return err
			}
			for _, name := range []event.LogName{log, stays} {
				e, err := s.tryPut(name)
				if err != nil {
					return err
				}
				if !s.sink.awaitEntry(placeInLog{name, e.position}) {
					return fmt.Errorf("worker %d: %v of %v is not passed on, joined at %v", worker, e.position, name, head)
				}
			}
			s.Backplane.Leave([]event.LogName{log, stays})
		}
		return nil
	})
	s.awaitAll([]stored{s.put(stays)})
	s.expect(s.leavePanics(log), "a log was left as often as it was joined, and is joined")
}

func joinWithoutRun(s *scene) {
	log := s.topic("a")
	head := s.join(log)
	events := s.putAll(2, log)
	s.start()
	last := s.put(log)
	s.awaitAll([]stored{last})
	s.audit(head, append(events, last))
	s.same("log", s.since(log, head).Entries, append(events, last))
}

func joinOthers(s *scene) {
	mine, other := s.topic("a"), s.topic("b")
	s.start()
	s.join(mine)
	s.put(other)
	s.publish(publication(s.next(), other, mine))
	s.awaitAll([]stored{s.put(mine)})
	s.expect(len(s.sink.of(other)) == 0, "a log that nobody joined was passed on")
	s.expect(len(s.sink.of(mine)) == 2, "%d entries were passed on, want 2", len(s.sink.of(mine)))
}

func joinPanics(s *scene) {
	log := s.topic("a")
	s.expect(s.leavePanics(log), "leaving a log that was never joined")
	s.join(log)
	s.Backplane.Leave([]event.LogName{log})
	s.expect(s.leavePanics(log), "leaving a log twice that was joined once")
	s.expect(!s.head().IsZero(), "the engine works on after the panic")
}
