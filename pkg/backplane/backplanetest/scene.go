package backplanetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// scene is what one test has: an engine of its own, a tenant that nobody else uses, and all that was passed on.
type scene struct {
	*Harness

	t         *testing.T
	reopen    func() *Harness
	tenant    event.Tenant
	partition backplane.Partition
	sink      *recorder
	stop      func() error // ends the Run that start began last
	events    atomic.Int64
}

// stored is an event in one log, as Publish acknowledged it.
type stored struct {
	log      event.LogName
	position event.Position
	event    event.Event
}

func newScene(t *testing.T, engines Factory, want Retention) *scene {
	t.Helper()
	s := &scene{
		Harness: engines.Open(t, want),
		t:       t,
		reopen:  func() *Harness { return engines.Open(t, want) },
		tenant:  tenant(t, "T"+rand.Text()[:16]),
	}
	t.Cleanup(s.Close)
	s.partition = s.partitionOf(s.tenant)
	s.sink = s.newSink()
	return s
}

// newSink returns a recorder whose faults are the test's.
func (s *scene) newSink() *recorder {
	sink := newRecorder(s.Capabilities.Partitions)
	s.t.Cleanup(func() {
		for i, fault := range sink.noted() {
			if i == 5 {
				s.t.Errorf("and %d more", len(sink.noted())-i)
				break
			}
			s.t.Error(fault)
		}
	})
	return sink
}

// start begins a Run and waits until it vouches.
func (s *scene) start() {
	s.t.Helper()
	before := count(s.sink.all(), callVouched, s.partition)
	s.stop = s.run(s.sink)
	s.awaitVouched(before)
}

// run begins a Run. What it returns ends the Run and waits for it; so does the end of the test.
func (s *scene) run(sink backplane.Sink) (stop func() error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	// Owned by the scene, joined by stop.
	go func() { ended <- s.Backplane.Run(ctx, sink) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Run goes on after its context ended")
		}
	})
	s.t.Cleanup(func() {
		if err := stop(); err != nil && !errors.Is(err, backplane.ErrClosed) {
			s.t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// awaitVouched waits until there have been more calls of Vouched than so many.
func (s *scene) awaitVouched(before int) {
	s.t.Helper()
	if !s.sink.await(func(calls []call) bool { return count(calls, callVouched, s.partition) > before }) {
		s.t.Fatal("the partition is not vouched for")
	}
}

// interrupt breaks the relay.
func (s *scene) interrupt() (restore func()) {
	s.t.Helper()
	if s.Interrupt != nil {
		return s.Interrupt(s.t)
	}
	if err := s.stop(); err != nil {
		s.t.Fatalf("Run: %v", err)
	}
	return func() { s.stop = s.run(s.sink) }
}

// pass returns after a while.
func (s *scene) pass(d time.Duration) { <-time.After(d) }

func (s *scene) partitionOf(t event.Tenant) backplane.Partition {
	return backplane.PartitionOf(t, s.Capabilities.Partitions)
}

// topic names a log of the scene's tenant.
func (s *scene) topic(name string) event.LogName {
	s.t.Helper()
	target, err := event.Topic(name)
	s.check(err)
	return event.LogName{Tenant: s.tenant, Target: target}
}

// next returns an event that is like no other of the scene.
func (s *scene) next() event.Event {
	s.t.Helper()
	kind, err := event.ParseType("thing.happened")
	s.check(err)
	n := strconv.FormatInt(s.events.Add(1), 10)
	data, err := event.ParseJSON([]byte(`{"n": ` + n + `, "text": "\u00e9 é\r\n"}`))
	s.check(err)
	meta, err := event.ParseObject([]byte(`{"by":"` + n + `"}`))
	s.check(err)
	return event.Event{Type: kind, Data: data, Meta: meta}
}

// publication is an event for some logs of one tenant.
func publication(e event.Event, logs ...event.LogName) backplane.Publication {
	p := backplane.Publication{Tenant: logs[0].Tenant, Event: e}
	for _, log := range logs {
		p.Targets = append(p.Targets, log.Target)
	}
	return p
}

// publish publishes one publication and returns its positions.
func (s *scene) publish(p backplane.Publication) []event.Position {
	s.t.Helper()
	positions, err := s.tryPublish(p)
	s.check(err)
	return positions
}

// tryPublish is publish for goroutines, which must not end the test.
func (s *scene) tryPublish(p backplane.Publication) ([]event.Position, error) {
	results := s.Backplane.Publish(s.t.Context(), []backplane.Publication{p})
	switch {
	case len(results) != 1:
		return nil, fmt.Errorf("publish: %d results for one publication", len(results))
	case results[0].Err != nil:
		return nil, results[0].Err
	case !p.LiveOnly && len(results[0].Positions) != len(p.Targets):
		return nil, fmt.Errorf("publish: %d positions for %d targets", len(results[0].Positions), len(p.Targets))
	}
	return results[0].Positions, nil
}

// put stores a new event in a log.
func (s *scene) put(log event.LogName) stored {
	s.t.Helper()
	e, err := s.tryPut(log)
	s.check(err)
	return e
}

func (s *scene) tryPut(log event.LogName) (stored, error) {
	e := s.next()
	positions, err := s.tryPublish(publication(e, log))
	if err != nil {
		return stored{}, err
	}
	return stored{log, positions[0], e}, nil
}

// putAll stores as many new events in the logs, by turns.
func (s *scene) putAll(n int, logs ...event.LogName) []stored {
	s.t.Helper()
	all := make([]stored, n)
	for i := range all {
		all[i] = s.put(logs[i%len(logs)])
	}
	return all
}

func (s *scene) head() event.Position {
	s.t.Helper()
	head, err := s.Backplane.Head(s.t.Context(), s.partition)
	s.check(err)
	return head
}

func (s *scene) join(logs ...event.LogName) event.Position {
	s.t.Helper()
	head, err := s.Backplane.Join(s.t.Context(), logs)
	s.check(err)
	return head
}

// whole asks for all that a log has between two positions.
func whole(log event.LogName, after, through event.Position) backplane.Query {
	return backplane.Query{Log: log, After: after, Through: through, Limit: 10_000, Bytes: 1 << 30}
}

func (s *scene) replay(queries ...backplane.Query) []backplane.Page {
	s.t.Helper()
	pages, err := s.Backplane.Replay(s.t.Context(), queries)
	s.check(err)
	if len(pages) != len(queries) {
		s.t.Fatalf("replay: %d pages for %d queries", len(pages), len(queries))
	}
	return pages
}

// since reads all that a log has behind a position.
func (s *scene) since(log event.LogName, after event.Position) backplane.Page {
	s.t.Helper()
	return s.replay(whole(log, after, s.head()))[0]
}

// together does the same n times at once, and fails for the first error.
func (s *scene) together(n int, do func(worker int) error) {
	s.t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	s.check(errors.Join(errs...))
}

// awaitAll waits until the events have been passed on.
func (s *scene) awaitAll(events []stored) {
	s.t.Helper()
	for _, e := range events {
		if !s.sink.awaitEntry(placeInLog{e.log, e.position}) {
			s.t.Fatalf("%v of %v is not passed on", e.position, e.log)
		}
	}
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// expect fails the test where ok is not true, and lets it go on.
func (s *scene) expect(ok bool, format string, args ...any) {
	s.t.Helper()
	if !ok {
		s.t.Errorf(format, args...)
	}
}

// same expects entries to be just these events, in this order.
func (s *scene) same(what string, got []backplane.Entry, want []stored) {
	s.t.Helper()
	if len(got) != len(want) {
		s.t.Errorf("%s: %d entries, want %d\n got %v\nwant %v", what, len(got), len(want), positionsOf(got), positionsOfStored(want))
		return
	}
	for i, e := range got {
		if e.Log != want[i].log || e.Position != want[i].position {
			s.t.Errorf("%s: entry %d is %v of %v, want %v of %v", what, i, e.Position, e.Log, want[i].position, want[i].log)
			return
		}
		s.expect(sameEvent(e.Event, want[i].event), "%s: entry %d is %v, want %v", what, i, e.Event, want[i].event)
		s.expect(e.Event.Time.Equal(e.Position.Time()), "%s: entry %d has time %v, want %v", what, i, e.Event.Time, e.Position.Time())
	}
}

func sameEvent(a, b event.Event) bool {
	return a.Type == b.Type && a.Data.String() == b.Data.String() && a.Meta.String() == b.Meta.String() &&
		a.Meta.IsZero() == b.Meta.IsZero()
}

func positionsOf(entries []backplane.Entry) string {
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%v ", e.Position)
	}
	return text.String()
}

func positionsOfStored(events []stored) string {
	var text strings.Builder
	for _, e := range events {
		fmt.Fprintf(&text, "%v ", e.position)
	}
	return text.String()
}

func tenant(t *testing.T, name string) event.Tenant {
	t.Helper()
	parsed, err := event.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
