package backplanetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
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

// lifeUnderLoad does everything at once, and closes the engine in the middle of it.
func lifeUnderLoad(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	start := s.head()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ends := func(err error) bool { return errors.Is(err, backplane.ErrClosed) || ctx.Err() != nil }

	var work sync.WaitGroup
	loop := func(n int, what string, do func(i int) error) {
		for range n {
			work.Go(func() {
				for i := 0; ; i++ {
					switch err := do(i); {
					case err == nil:
					case ends(err):
						return
					default:
						s.t.Errorf("%s: %v", what, err)
						return
					}
				}
			})
		}
	}
	half := make(chan struct{})
	var once sync.Once
	loop(2, "publish", func(i int) error {
		if i == 200 {
			once.Do(func() { close(half) })
		}
		_, err := s.tryPublish(s.keyed(fmt.Sprint(i%50), logs[i%3], logs[(i+1)%3]))
		return err
	})
	loop(2, "join", func(int) error {
		head, err := s.Backplane.Join(ctx, logs)
		if err == nil {
			_, err = s.Backplane.Replay(ctx, []backplane.Query{whole(logs[0], start, head)})
			s.Backplane.Leave(logs)
		}
		return err
	})
	sink := s.newSink() // one for all: Runs follow each other, so that its calls do, too
	loop(2, "run", func(i int) error {
		running, stop := context.WithTimeout(ctx, time.Duration(i%3)*time.Millisecond)
		defer stop()
		if err := s.Backplane.Run(running, sink); !errors.Is(err, backplane.ErrRunning) {
			return err
		}
		<-running.Done()
		return nil
	})
	loop(1, "tickets", func(int) error {
		id := rand.Text()
		if err := s.Tickets.Put(ctx, id, nil, time.Minute); err != nil {
			return err
		}
		_, err := s.Tickets.Take(ctx, id)
		if errors.Is(err, backplane.ErrNoTicket) {
			return nil // closed in between
		}
		return err
	})
	select {
	case <-half:
	case <-ctx.Done():
		s.t.Error("publishing stands still")
	}
	s.pass(10 * time.Millisecond)
	s.Close()
	work.Wait()
	s.expect(ctx.Err() == nil, "something goes on after Close")
}
