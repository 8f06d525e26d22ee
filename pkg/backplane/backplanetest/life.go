package backplanetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func lifeCases() []testCase {
	return []testCase{
		{name: "a second Run is refused and disturbs nothing", test: lifeSecondRun},
		{name: "Run returns nil when its context ends", test: lifeOfRun},
		{name: "everything returns ErrClosed after Close", test: lifeAfterClose},
		{name: "Close ends Run with a doubt", test: lifeOfRunWhenClosed},
		{name: "starting and stopping under load", test: lifeUnderLoad},
	}
}

func lifeSecondRun(s *scene) {
	log := s.topic("a")
	head := s.join(log)
	s.start()
	first := s.put(log)
	second := s.newSink()
	for range 3 {
		ended := make(chan error, 1)
		// Owned by this test, joined by the receive from ended, or by the end of its context.
		go func() { ended <- s.Backplane.Run(s.t.Context(), second) }()
		select {
		case err := <-ended:
			s.expect(errors.Is(err, backplane.ErrRunning), "a second Run: %v is not ErrRunning", err)
		case <-time.After(patience):
			s.t.Fatal("a second Run goes on")
		}
	}
	events := append([]stored{first}, s.putAll(3, log)...)
	s.awaitAll(events)
	s.audit(head, events)
	s.expect(len(second.all()) == 0, "the sink of a Run that was refused has %d calls", len(second.all()))
	s.expect(count(s.sink.all(), callDoubt, s.partition) == 0, "a Run that was refused brought a doubt")
}

func lifeOfRun(s *scene) {
	log := s.topic("a")
	head := s.join(log)
	var events []stored
	for range 5 {
		s.start()
		e := s.put(log)
		s.awaitAll([]stored{e})
		events = append(events, e)
		s.check(s.stop())
	}
	s.audit(head, events)
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	s.check(s.Backplane.Run(ctx, s.sink))
	s.start()
}

// closedErrors returns what each method says to a call.
func (s *scene) closedErrors() map[string]error {
	ctx, log := s.t.Context(), s.topic("a")
	position := s.other("tag", 1, 0)
	errs := make(map[string]error)
	for i, r := range s.Backplane.Publish(ctx, []backplane.Publication{publication(s.next(), log), s.liveOnly("", log)}) {
		errs[fmt.Sprint("Publish ", i)] = r.Err
	}
	_, errs["Head"] = s.Backplane.Head(ctx, s.partition)
	_, errs["Join"] = s.Backplane.Join(ctx, []event.LogName{log})
	_, errs["Replay"] = s.Backplane.Replay(ctx, []backplane.Query{whole(log, position, position)})
	errs["Run"] = s.Backplane.Run(ctx, s.sink)
	_, errs["Send"] = s.Signals.Send(ctx, s.partition, nil, 0)
	return errs
}

func lifeAfterClose(s *scene) {
	log := s.topic("a")
	s.join(log)
	s.put(log)
	for range 2 {
		s.Close()
		for method, err := range s.closedErrors() {
			s.expect(errors.Is(err, backplane.ErrClosed), "%s: %v is not ErrClosed", method, err)
		}
	}
	s.Backplane.Leave([]event.LogName{log}) // as in every shutdown, where the readers go last
	s.expect(len(s.sink.all()) == 0, "the sink of a Run that was refused has %d calls", len(s.sink.all()))
}

func lifeOfRunWhenClosed(s *scene) {
	ended := make(chan error, 1)
	// Owned by this test, joined by the receive from ended, or by the end of its context.
	go func() { ended <- s.Backplane.Run(s.t.Context(), s.sink) }()
	s.awaitVouched(0)
	s.Close()
	select {
	case err := <-ended:
		s.expect(errors.Is(err, backplane.ErrClosed), "Run: %v is not ErrClosed", err)
	case <-time.After(patience):
		s.t.Fatal("Run goes on after Close")
	}
	s.expect(count(s.sink.all(), callDoubt, s.partition) > 0, "Run returned without a doubt")
}

// lifeUnderLoad does everything at once, and closes the engine in the middle of it. Nothing in it waits for a time to
// pass: where time is made up, it stands still while anything is busy.
func lifeUnderLoad(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	start := s.head()
	var (
		work   sync.WaitGroup
		closed atomic.Bool
		enough = make(chan struct{})
		end    = sync.OnceFunc(func() { close(enough) })
	)
	loop := func(what string, do func(i int) error) {
		for range 2 {
			work.Go(func() {
				for i := 0; ; i++ {
					last := closed.Load()
					if err := do(i); err != nil || last {
						s.expect(errors.Is(err, backplane.ErrClosed), "%s: %v is not ErrClosed", what, err)
						end()
						return
					}
				}
			})
		}
	}
	loop("publish", func(i int) error { return s.loadPublish(i, logs) })
	loop("join", func(int) error { return s.loadJoin(start, logs) })
	sink := s.newSink() // one for all: Runs follow each other, and so do its calls
	loop("run", func(i int) error {
		if i == 20 {
			end()
		}
		return s.loadRun(sink, logs[0])
	})
	<-enough
	s.Close()
	closed.Store(true)
	work.Wait()
}

func (s *scene) loadPublish(i int, logs []event.LogName) error {
	_, err := s.tryPublish(s.keyed(strconv.Itoa(i%50), logs[i%3], logs[(i+1)%3]))
	return err
}

func (s *scene) loadJoin(start event.Position, logs []event.LogName) error {
	head, err := s.Backplane.Join(s.t.Context(), logs)
	if err != nil {
		return err
	}
	defer s.Backplane.Leave(logs)
	_, err = s.Backplane.Replay(s.t.Context(), []backplane.Query{whole(logs[0], start, head)})
	return err
}

// loadRun lets a Run go on for as long as a few publications take.
func (s *scene) loadRun(sink backplane.Sink, log event.LogName) error {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	ended := make(chan error, 1)
	// Owned by this function, joined by the receive from ended.
	go func() { ended <- s.Backplane.Run(ctx, sink) }()
	for range 3 {
		if _, err := s.tryPut(log); err != nil {
			break // the Run says why, too
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, backplane.ErrRunning) {
		return err
	}
	return nil
}
