package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// script is a backplane that does what a test says: its sink is the test's to call.
type script struct {
	sink chan backplane.Sink
	head event.Position
	page func(backplane.Query) backplane.Page
	left int
	got  []backplane.Publication

	mu   sync.Mutex
	fail error
}

// failWith makes everything that returns an error return this one.
func (s *script) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *script) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail
}

func newScript() *script {
	return &script{sink: make(chan backplane.Sink, 1), head: at("a", 100), page: func(backplane.Query) backplane.Page { return backplane.Page{} }}
}

func at(timeline string, n uint64) event.Position {
	p, err := event.NewPosition(timeline, n, 0)
	if err != nil {
		panic(err)
	}
	return p
}

func (s *script) Publish(_ context.Context, p []backplane.Publication) []backplane.Result {
	s.got = append(s.got, p...)
	results := make([]backplane.Result, len(p))
	for i := range results {
		results[i].Err = s.failure()
	}
	return results
}

func (s *script) Join(context.Context, []event.LogName) (event.Position, error) {
	return s.head, s.failure()
}

func (s *script) Leave(logs []event.LogName) { s.left += len(logs) }

func (s *script) Replay(_ context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	pages := make([]backplane.Page, len(queries))
	for i, q := range queries {
		pages[i] = s.page(q)
	}
	return pages, s.failure()
}

func (s *script) Head(context.Context, backplane.Partition) (event.Position, error) {
	return s.head, s.failure()
}

func (s *script) Run(ctx context.Context, sink backplane.Sink) error {
	s.sink <- sink
	<-ctx.Done()
	return nil
}

func topic(name string) event.Target {
	t, err := event.Topic(name)
	if err != nil {
		panic(err)
	}
	return t
}

// entry is event n of a topic; prev is the one before it.
func entry(timeline, name string, n, prev uint64) backplane.Entry {
	kind, _ := event.ParseType("test.tick")
	data, _ := event.ParseJSON(fmt.Append(nil, n))
	return backplane.Entry{
		Log:   event.LogName{Tenant: event.DefaultTenant(), Target: topic(name)},
		Event: event.Event{Type: kind, Data: data}, Position: at(timeline, n), Prev: at(timeline, prev),
	}
}

// start runs a broker on a backplane until the test ends.
func start(t *testing.T, engine backplane.Backplane, change func(*broker.Config)) *broker.Broker {
	t.Helper()
	cfg := broker.DefaultConfig()
	cfg.Store.Shards = 1
	if change != nil {
		change(&cfg)
	}
	b, err := broker.New(cfg, engine, 1, slog.New(slog.DiscardHandler), noMetrics{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }() // joined below
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	synctest.Wait()
	return b
}

// vouched runs a broker on a script whose relay is vouched for.
func vouched(t *testing.T) (*script, *broker.Broker, backplane.Sink) {
	t.Helper()
	s := newScript()
	b := start(t, s, nil)
	sink := <-s.sink
	sink.Vouched(0, at("a", 100))
	return s, b, sink
}

// read subscribes a reader and starts its stream.
func read(t *testing.T, b *broker.Broker, lastEventID string, topics ...string) *reader {
	t.Helper()
	r := &reader{room: plenty, last: lastEventID}
	r.connect()
	var targets []event.Target
	for _, name := range topics {
		targets = append(targets, topic(name))
	}
	s, err := b.Subscribe(t.Context(), broker.Request{
		Tenant: event.DefaultTenant(), Targets: targets, LastEventID: lastEventID, Envelope: true, Identity: "me",
	})
	require.NoError(t, err)
	r.conn = s.Start(r, r)
	synctest.Wait()
	return r
}

// blocks returns what a reader was given since the last call, without pings.
func (r *reader) blocks() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var words []string
	for _, it := range r.items {
		if it.Type != "pushstream.ping" {
			words = append(words, strings.TrimPrefix(it.String(), event.ReservedPrefix))
		}
	}
	r.items = nil
	return strings.Join(words, " ")
}

func TestABrokenChainIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := vouched(t)
		r := read(t, b, "", "x", "y")
		sink.Relay(entry("a", "x", 101, 90))
		sink.Relay(entry("a", "y", 103, 80))
		require.Equal(t, "hello@a.100-0 live@a.100-0 101@a.101-0 103@a.103-0", r.blocks())
		s.head = at("a", 104)
		s.page = func(q backplane.Query) backplane.Page {
			if q.Log.Target != topic("x") {
				return backplane.Page{}
			}
			require.Equal(t, at("a", 101), q.After)
			return backplane.Page{Entries: []backplane.Entry{entry("a", "x", 102, 101), entry("a", "x", 104, 102)}}
		}
		sink.Relay(entry("a", "x", 104, 102))
		require.Equal(t, "102@a.103-0 104@a.104-0", r.blocks())
	})
}

func TestALooseEntrySaysNothingAboutTheRelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := vouched(t)
		r := read(t, b, "", "x")
		s.page = func(backplane.Query) backplane.Page { panic("nothing is missing") }
		r.blocks()
		loose := entry("a", "x", 200, 150)
		loose.Loose = true
		sink.Relay(loose)
		require.Equal(t, "200@a.200-0", r.blocks())
	})
}

func TestAnotherTimelineSendsEverybodyToTheLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := vouched(t)
		r := read(t, b, "", "x")
		sink.Relay(entry("a", "x", 500, 90))
		require.Equal(t, "hello@a.100-0 live@a.100-0 500@a.500-0", r.blocks())
		// The store went back: 500 is lost, and the new timeline goes on from an earlier place.
		s.head = at("b", 300)
		s.page = func(q backplane.Query) backplane.Page {
			if q.After.Timeline() == "a" {
				return backplane.Page{Gap: event.GapLost}
			}
			return backplane.Page{}
		}
		sink.Relay(entry("b", "x", 300, 90))
		require.Equal(t, "gap[topic:x]@a.500-0", r.blocks())
		sink.Relay(entry("b", "x", 301, 300))
		require.Equal(t, "301@b.301-0", r.blocks(), "although it comes before what was lost")
	})
}

func TestProgressInAnotherTimelineIsNoticedWithoutEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := vouched(t)
		r := read(t, b, "", "x")
		r.blocks()
		s.head = at("b", 200)
		s.page = func(backplane.Query) backplane.Page { return backplane.Page{Gap: event.GapLost} }
		sink.Progress(0, at("b", 200))
		require.Equal(t, "gap[topic:x]@a.100-0", r.blocks())
	})
}

func TestPagesAreMergedByPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, _ := vouched(t)
		s.page = func(q backplane.Query) backplane.Page {
			var page backplane.Page
			numbers := map[event.Target][]uint64{topic("x"): {51, 54, 60, 90}, topic("y"): {52, 60, 70}}[q.Log.Target]
			for _, n := range numbers {
				if !at("a", n).After(q.After) {
					continue
				}
				if len(page.Entries) == 2 {
					page.Full = true
					break
				}
				page.Entries = append(page.Entries, entry("a", q.Log.Target.ID(), n, 1))
			}
			return page
		}
		r := read(t, b, at("a", 50).String(), "x", "y")
		require.Equal(t, "hello@a.50-0 51@a.51-0 52@a.52-0 54@a.54-0 60@a.60-0 70@a.70-0 90@a.90-0 live@a.100-0", r.blocks())
	})
}

func TestSubscribeFailsCleanly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := start(t, s, nil)
		require.ErrorIs(t, b.Ready(), broker.ErrStarting)
		(<-s.sink).Vouched(0, at("a", 100))
		require.NoError(t, b.Ready())
		s.failWith(fmt.Errorf("test: %w", backplane.ErrUnavailable))
		request := broker.Request{Tenant: event.DefaultTenant(), Targets: []event.Target{topic("x")}}
		_, err := b.Subscribe(t.Context(), request)
		require.ErrorIs(t, err, backplane.ErrUnavailable)
		require.Zero(t, s.left, "what was not joined is not left")
		s.failWith(nil)
		sub, err := b.Subscribe(t.Context(), request)
		require.NoError(t, err)
		sub.Cancel()
		require.Equal(t, 1, s.left)
		r := read(t, b, "", "x", "y")
		r.conn.Gone(nil)
		synctest.Wait()
		require.Equal(t, 3, s.left)
		require.NoError(t, b.Drain(t.Context()))
		require.ErrorIs(t, b.Ready(), broker.ErrDraining)
		_, err = b.Subscribe(t.Context(), request)
		require.ErrorIs(t, err, broker.ErrDraining)
	})
}

func TestReadsAreTriedAgainUntilTheStoreIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, _ := vouched(t)
		sub, err := b.Subscribe(t.Context(), broker.Request{
			Tenant: event.DefaultTenant(), Targets: []event.Target{topic("x")}, Envelope: true, LastEventID: at("a", 99).String(),
		})
		require.NoError(t, err)
		s.failWith(errors.New("away"))
		r := &reader{room: plenty}
		r.connect()
		sub.Start(r, r)
		pass(5 * time.Second)
		require.Equal(t, "hello@a.99-0", r.blocks())
		s.failWith(nil)
		pass(5 * time.Second)
		require.Equal(t, "live@a.100-0", r.blocks())
	})
}

func TestPublishChecksWhatTheValuesAllow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := start(t, s, func(c *broker.Config) { c.EventBytes = 100 })
		ok := backplane.Publication{Tenant: event.DefaultTenant(), Targets: []event.Target{topic("x")}, Event: entry("a", "x", 1, 0).Event}
		large, twice, nobody, key := ok, ok, ok, ok
		large.Event.Data, _ = event.ParseJSON([]byte(`"` + strings.Repeat("x", 100) + `"`))
		twice.Targets = []event.Target{topic("x"), topic("x")}
		nobody.Targets = nil
		key.Key = strings.Repeat("k", backplane.MaxKey+1)
		results := b.Publish(t.Context(), []backplane.Publication{ok, large, twice, nobody, key, ok})
		require.NoError(t, results[0].Err)
		require.ErrorIs(t, results[1].Err, broker.ErrTooLarge)
		require.ErrorIs(t, results[2].Err, broker.ErrInvalid)
		require.ErrorIs(t, results[3].Err, broker.ErrInvalid)
		require.ErrorIs(t, results[4].Err, broker.ErrInvalid)
		require.NoError(t, results[5].Err)
		require.Len(t, s.got, 2, "the others are not held up, and nothing bad gets through")
	})
}

func TestConfigNamesAllFaults(t *testing.T) {
	t.Parallel()
	require.NoError(t, broker.DefaultConfig().Validate())
	err := broker.Config{}.Validate()
	for _, field := range []string{"Node", "Retry", "EventBytes", "PublishTimeout", "Readers", "PageEvents", "PageBytes", "ReadTimeout", "ReconnectRate", "Heartbeat"} {
		require.ErrorContains(t, err, field)
	}
}
