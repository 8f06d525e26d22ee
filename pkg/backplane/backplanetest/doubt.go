package backplanetest

import (
	"github.com/pushstream/pushstream/pkg/event"
)

func doubtCases() []testCase {
	return []testCase{
		{name: "Run begins in doubt, then vouches", test: doubtAtStart},
		{name: "there is a doubt before Run returns", test: doubtAtStop},
		{name: "the next Run begins in doubt", test: doubtAtNextRun},
		{name: "an interrupt is a doubt, and ends in another vouching", test: doubtOfInterrupt},
		{name: "nothing is missing without a doubt, whatever happens when", test: doubtWhileWriting},
	}
}

func doubtAtStart(s *scene) {
	log := s.topic("a")
	joined := s.join(log)
	before := s.putAll(3, log)
	head := s.head()
	s.start()
	after := s.putAll(3, log)
	s.awaitAll(after)
	s.audit(joined, append(before, after...))
	for _, c := range s.sink.all() {
		if c.partition == s.partition && c.kind == callVouched {
			s.expect(c.position.Timeline() == head.Timeline(), "vouched from %v, of another timeline than the head %v", c.position, head)
			s.expect(!c.position.After(after[0].position), "vouched from %v, after %v was published", c.position, after[0].position)
			break
		}
	}
}

func doubtAtStop(s *scene) {
	log := s.topic("a")
	head := s.join(log)
	s.start()
	events := s.putAll(3, log)
	s.awaitAll(events)
	s.check(s.stop())
	calls := s.sink.all()
	vouched := false
	for _, c := range calls {
		if c.partition == s.partition && (c.kind == callDoubt || c.kind == callVouched) {
			vouched = c.kind == callVouched
		}
	}
	s.expect(!vouched, "Run returned without a doubt")
	s.put(log)
	s.same("log", s.since(log, head).Entries[:3], events)
	s.expect(len(s.sink.all()) == len(calls), "the sink was called after Run returned")
}

func doubtAtNextRun(s *scene) {
	log := s.topic("a")
	head := s.join(log)
	s.start()
	events := s.putAll(3, log)
	s.awaitAll(events)
	s.check(s.stop())
	between := s.putAll(3, log)

	// A new sink knows nothing of the Run before.
	s.sink = s.newSink()
	s.start()
	after := s.putAll(3, log)
	s.awaitAll(after)
	s.audit(head, append(between, after...))
	s.same("log", s.since(log, head).Entries, append(append(events, between...), after...))
}

func doubtOfInterrupt(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b")}
	head := s.join(logs...)
	s.start()
	events := s.putAll(6, logs...)
	s.awaitAll(events)
	for range 2 {
		calls := s.sink.all()
		doubts, vouched := count(calls, callDoubt, s.partition), count(calls, callVouched, s.partition)
		restore := s.interrupt()
		events = append(events, s.putAll(6, logs...)...)
		restore()
		if !s.sink.await(func(calls []call) bool { return count(calls, callDoubt, s.partition) > doubts }) {
			s.t.Fatal("there is no doubt of a relay that was interrupted")
		}
		s.awaitVouched(vouched)
		after := s.putAll(6, logs...)
		s.awaitAll(after)
		events = append(events, after...)
		s.audit(head, events)
	}
	for i, log := range logs {
		var want []stored
		for n := i; n < len(events); n += len(logs) {
			want = append(want, events[n])
		}
		s.same("log", s.since(log, head).Entries, want)
	}
}

// doubtWhileWriting publishes all the time while the relay comes and goes.
func doubtWhileWriting(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b")}
	head := s.join(logs...)
	s.start()
	var events []stored
	stop, stopped := make(chan struct{}), make(chan error, 1)
	// Owned by this test, joined by the receive from stopped.
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			e, err := s.tryPut(logs[i%len(logs)])
			if err != nil {
				stopped <- err
				return
			}
			events = append(events, e)
			s.pass(margin / 100)
		}
	}()
	for range 3 {
		calls := len(s.sink.all())
		if !s.sink.await(func(now []call) bool { return len(now) > calls+20 }) {
			s.t.Fatal("nothing is passed on")
		}
		vouched := count(s.sink.all(), callVouched, s.partition)
		s.interrupt()()
		s.awaitVouched(vouched)
	}
	close(stop)
	s.check(<-stopped)
	last := s.putAll(2, logs...)
	s.awaitAll(last)
	s.audit(head, append(events, last...))
}
