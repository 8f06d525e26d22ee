package backplanetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/event"
)

// TestFaulty holds Faulty against the contract: as long as it drops nothing untold, it is an engine like others.
func TestFaulty(t *testing.T) {
	backplanetest.Run(t, backplanetest.Factory{
		Open: func(t *testing.T, want backplanetest.Retention) *backplanetest.Harness {
			t.Helper()
			h := open(t, want)
			faulty := backplanetest.NewFaulty(h.Backplane, h.Capabilities.Partitions)
			h.Backplane = faulty
			h.Interrupt = func(*testing.T) func() {
				faulty.Break()
				faulty.Break()
				return func() { faulty.Heal(); faulty.Heal() }
			}
			return h
		},
		Around: synctest.Test,
	})
}

// stage is a Faulty with a Run, and what it passed on.
type stage struct {
	*backplanetest.Faulty

	t     *testing.T
	log   event.LogName
	mu    sync.Mutex
	calls []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h := open(t, backplanetest.Retention{})
	t.Cleanup(h.Close)
	s := &stage{Faulty: backplanetest.NewFaulty(h.Backplane, 1), t: t, log: event.LogName{Tenant: event.DefaultTenant(), Target: event.All()}}
	_, err := s.Join(t.Context(), []event.LogName{s.log})
	s.check(err)
	return s
}

// start begins a Run; what it returns ends it.
func (s *stage) start() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	// Owned by the stage, joined by stop.
	go func() { ended <- s.Run(ctx, s) }()
	synctest.Wait()
	return func() {
		cancel()
		s.check(<-ended)
	}
}

func (s *stage) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// put publishes an event, and returns its name in calls.
func (s *stage) put(liveOnly bool) string {
	s.t.Helper()
	r := s.Publish(s.t.Context(), []backplane.Publication{{Tenant: s.log.Tenant, Targets: []event.Target{s.log.Target}, LiveOnly: liveOnly}})[0]
	s.check(r.Err)
	if liveOnly {
		return "relay "
	}
	return "relay " + r.Positions[0].String()
}

// passed expects these calls since the last time.
func (s *stage) passed(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, want) {
		s.t.Fatalf("passed on %q, want %q", s.calls, want)
	}
	s.calls = nil
}

func (s *stage) vouched() string {
	s.t.Helper()
	head, err := s.Head(s.t.Context(), 0)
	s.check(err)
	return "vouched " + head.String()
}

func (s *stage) add(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *stage) Relay(e backplane.Entry)           { s.add("relay " + e.Position.String()) }
func (s *stage) Doubt(backplane.Partition, string) { s.add("doubt") }
func (s *stage) Vouched(_ backplane.Partition, head event.Position) {
	s.add("vouched " + head.String())
}

func (s *stage) Signal(_ backplane.Partition, message []byte) { s.add("signal " + string(message)) }

func (s *stage) Progress(_ backplane.Partition, p event.Position) { s.add("progress " + p.String()) }

func staged(t *testing.T, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newStage(t)) })
}

func TestFaultyBreaksAndHeals(t *testing.T) {
	staged(t, func(s *stage) {
		stop := s.start()
		s.passed(s.vouched())
		first := s.put(false)
		s.Break()
		s.put(false)
		s.put(true)
		s.passed(first, "doubt")
		s.Heal()
		s.passed(s.vouched())
		s.passed()
		second := s.put(false)
		stop()
		s.passed(second, "doubt")
	})
}

func TestFaultyIsBrokenBeforeRun(t *testing.T) {
	staged(t, func(s *stage) {
		s.Break()
		stop := s.start()
		s.put(false)
		s.passed()
		s.Heal()
		s.passed(s.vouched())
		s.Break()
		s.passed("doubt")
		stop()
		s.passed() // the doubt has been told
		s.Heal()
		s.passed() // nobody vouches
	})
}

// A head that was seen before a Join knows nothing of what the log had until then.
func TestFaultyVouchesBehindJoins(t *testing.T) {
	staged(t, func(s *stage) {
		defer s.start()()
		s.passed(s.vouched())
		s.Leave([]event.LogName{s.log})
		s.Break()
		s.put(false) // is not passed on, broken or not
		_, err := s.Join(s.t.Context(), []event.LogName{s.log})
		s.check(err)
		s.Heal()
		s.passed("doubt", s.vouched())
	})
}

func TestFaultyDropsNext(t *testing.T) {
	staged(t, func(s *stage) {
		defer s.start()()
		s.passed(s.vouched())
		s.DropNext(2)
		s.put(false)
		live := s.put(true)
		s.put(false)
		third := s.put(false)
		s.passed(live, third)
	})
}

func TestFaultyFails(t *testing.T) {
	staged(t, func(s *stage) {
		want := errors.New("on purpose")
		s.Fail(want)
		logs := []event.LogName{s.log}
		results := s.Publish(s.t.Context(), make([]backplane.Publication, 2))
		_, joins := s.Join(s.t.Context(), logs)
		_, replays := s.Replay(s.t.Context(), nil)
		_, heads := s.Head(s.t.Context(), 0)
		for _, err := range []error{results[0].Err, results[1].Err, joins, replays, heads} {
			if !errors.Is(err, want) {
				s.t.Errorf("%v does not wrap %v", err, want)
			}
		}
		s.Fail(nil)
		s.vouched()
		s.Leave(logs) // of the stage; the Join that failed needs none
		defer func() {
			if recover() == nil {
				s.t.Error("a Join that failed has joined")
			}
		}()
		s.Leave(logs)
	})
}
