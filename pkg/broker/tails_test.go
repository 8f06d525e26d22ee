package broker_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// counted has a script count the queries that it answers.
func (s *script) counted() (queries func() []string) {
	var mu sync.Mutex
	var all []string
	answer := s.page
	s.page = func(q backplane.Query) backplane.Page {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, fmt.Sprintf("%s>%d", q.Log.Target.ID(), q.After.Millis()))
		return answer(q)
	}
	return func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		asked := all
		all = nil
		return asked
	}
}

// calm runs a broker whose relay was vouched for a while ago.
func calm(t *testing.T) (*script, *broker.Broker, backplane.Sink) {
	t.Helper()
	s := newScript()
	b := start(t, s, nil)
	sink := <-s.sink
	sink.Vouched(0, at("a", 50))
	sink.Progress(0, at("a", 100))
	return s, b, sink
}

// has gives a script the events of x from one to another.
func (s *script) has(from, to uint64) {
	s.page = func(q backplane.Query) backplane.Page {
		var page backplane.Page
		for n := from; n <= to; n++ {
			if e := entry("a", "x", n, n-1); e.Position.After(q.After) {
				page.Entries = append(page.Entries, e)
			}
		}
		return page
	}
}

func TestAReaderWhoMissedNothingIsLiveWithoutReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		queries := s.counted()
		require.Equal(t, "hello@a.100-0 live@a.100-0", read(t, b, "", "x", "y").blocks())
		sink.Progress(0, at("a", 110))
		s.head = at("a", 110)
		require.Equal(t, "hello@a.105-0 live@a.110-0", read(t, b, "a.105-0", "x").blocks(), "x was joined all the while")
		require.Empty(t, queries())
		require.Equal(t, "hello@a.105-0 live@a.110-0", read(t, b, "a.105-0", "z").blocks())
		require.Equal(t, []string{"z>105"}, queries(), "z was not")
	})
}

func TestReadersWhoComeBackGetWhatTheRelayHasPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		queries := s.counted()
		first, second := read(t, b, "", "x", "y"), read(t, b, "", "x", "y")
		sink.Relay(entry("a", "x", 101, 100))
		sink.Relay(entry("a", "y", 102, 100))
		sink.Relay(entry("a", "x", 103, 101))
		require.Equal(t, first.blocks(), second.blocks())
		require.Equal(t, "hello@a.101-0 102@a.102-0 103@a.103-0 live@a.103-0", read(t, b, "a.101-0", "x", "y").blocks(), "in order")
		s.head = at("a", 103)
		require.Equal(t, "hello@a.99-0 live@a.103-0", read(t, b, "a.99-0", "x", "y").blocks(), "the page of the test is empty")
		require.ElementsMatch(t, []string{"x>99", "y>99"}, queries(), "what was before the relay")
	})
}

func TestOnlyTheFirstOfManyReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		s.has(91, 95)
		queries := s.counted()
		missed := " 94@a.94-0 95@a.95-0 "
		require.Equal(t, "hello@a.93-0"+missed+"live@a.100-0", read(t, b, "a.93-0", "x").blocks())
		require.Equal(t, "hello@a.93-0"+missed+"live@a.100-0", read(t, b, "a.93-0", "x").blocks(), "the first one was alone")
		require.Equal(t, []string{"x>93", "x>93"}, queries())
		sink.Relay(entry("a", "x", 101, 95))
		require.Equal(t, "hello@a.93-0"+missed+"101@a.101-0 live@a.101-0", read(t, b, "a.93-0", "x").blocks())
		require.Equal(t, "hello@a.94-0 95@a.95-0 101@a.101-0 live@a.101-0", read(t, b, "a.94-0", "x").blocks())
		require.Empty(t, queries())
		require.Contains(t, read(t, b, "a.92-0", "x").blocks(), "93@a.93-0 94@a.94-0")
		require.Equal(t, []string{"x>92"}, queries())
	})
}

func TestADoubtVoidsWhatTheRelayHasPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		read(t, b, "", "x")
		read(t, b, "", "x")
		sink.Relay(entry("a", "x", 101, 100))
		synctest.Wait()
		queries := s.counted()
		sink.Doubt(0, "test")
		s.head = at("a", 102)
		back := read(t, b, "a.100-0", "x")
		require.Contains(t, queries(), "x>100", "in doubt")
		sink.Vouched(0, at("a", 102))
		pass(5 * time.Second)
		require.Equal(t, "hello@a.100-0 live@a.102-0", back.blocks())
		queries()
		read(t, b, "a.100-0", "x")
		require.Equal(t, []string{"x>100"}, queries(), "it was passed on before the doubt")
		require.Equal(t, "hello@a.102-0 live@a.102-0", read(t, b, "a.102-0", "x").blocks())
		require.Empty(t, queries())
	})
}

// An event for two targets comes once for each. What has come for one of them may still be on its way for the other.
func TestAnEventForTwoTargetsIsNotTakenForPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		queries := s.counted()
		read(t, b, "", "x", "y")
		both := read(t, b, "", "x", "y")
		both.blocks()
		sink.Relay(entry("a", "x", 101, 100))
		late := read(t, b, "a.100-0", "y")
		require.Equal(t, "hello@a.100-0 live@a.100-0", late.blocks())
		again := read(t, b, "a.100-0", "x", "y")
		require.Equal(t, "hello@a.100-0 101@a.101-0 live@a.101-0", again.blocks())
		sink.Relay(entry("a", "y", 101, 100))
		require.Equal(t, "101@a.101-0", late.blocks())
		require.Empty(t, again.blocks(), "it has had it")
		require.Equal(t, "101@a.101-0", both.blocks())
		require.Empty(t, queries())
	})
}

func TestACursorThatNobodyKnowsIsForTheStoreToJudge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, _ := calm(t)
		queries := s.counted()
		read(t, b, "", "x")
		for _, cursor := range []string{"a.5000-0", "b.100-0"} {
			read(t, b, cursor, "x")
			require.Len(t, queries(), 1, cursor)
		}
	})
}

// The doubt before may have been that history was lost up to where the relay was vouched for: only the store can tell who has to
// be told.
func TestWhoIsNotBehindTheLastDoubtIsForTheStoreToJudge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		read(t, b, "", "x")
		read(t, b, "", "x")
		sink.Doubt(0, "test")
		s.page = func(q backplane.Query) backplane.Page {
			if !q.After.After(at("a", 100)) {
				return backplane.Page{Gap: event.GapLost}
			}
			return backplane.Page{}
		}
		s.head = at("a", 101)
		sink.Vouched(0, at("a", 100))
		pass(5 * time.Second)
		queries := s.counted()
		require.Contains(t, read(t, b, "a.100-0", "x").blocks(), "gap[topic:x]")
		require.Equal(t, []string{"x>100"}, queries())
		sink.Progress(0, at("a", 101))
		require.Equal(t, "hello@a.101-0 live@a.101-0", read(t, b, "a.101-0", "x").blocks())
		require.Empty(t, queries())
	})
}

func TestABrokenChainIsNotPassedOnAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		read(t, b, "", "x")
		live := read(t, b, "", "x")
		sink.Relay(entry("a", "x", 101, 100))
		live.blocks()
		s.head = at("a", 103)
		s.has(101, 103)
		queries := s.counted()
		sink.Relay(entry("a", "x", 103, 102)) // 102 was lost
		require.Equal(t, "102@a.102-0 103@a.103-0", live.blocks())
		require.NotEmpty(t, queries())
		require.Equal(t, "hello@a.101-0 102@a.102-0 103@a.103-0 live@a.103-0", read(t, b, "a.101-0", "x").blocks())
	})
}

func TestWhatIsKeptOfALogIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, sink := calm(t)
		read(t, b, "", "x")
		read(t, b, "", "x")
		for n := uint64(101); n <= 400; n++ {
			sink.Relay(entry("a", "x", n, n-1))
		}
		synctest.Wait()
		queries := s.counted()
		read(t, b, "a.390-0", "x")
		require.Empty(t, queries())
		s.head = at("a", 400)
		read(t, b, "a.101-0", "x")
		require.Equal(t, []string{"x>101"}, queries())
	})
}

// In a storm many connections are read for in one round trip, and the same log from the same place once.
func TestAStormIsReadTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := start(t, s, func(c *broker.Config) { c.Readers = 1 })
		(<-s.sink).Vouched(0, at("a", 100))
		queries := s.counted()
		var readers []*reader
		slow := make(chan struct{})
		answer := s.page
		var once sync.Once
		s.page = func(q backplane.Query) backplane.Page {
			once.Do(func() { <-slow })
			return answer(q)
		}
		for i := range 40 {
			r := &reader{room: plenty, last: "a.90-0"}
			r.connect()
			sub, err := b.Subscribe(t.Context(), broker.Request{
				Tenant: event.DefaultTenant(), Targets: []event.Target{topic(fmt.Sprint("own", i)), topic("all")}, LastEventID: r.last, Envelope: true,
			})
			require.NoError(t, err)
			r.conn = sub.Start(r, r)
			readers = append(readers, r)
		}
		synctest.Wait()
		close(slow)
		for _, r := range readers {
			require.Equal(t, "hello@a.90-0 live@a.100-0", r.blocks())
		}
		all := 0
		for _, q := range queries() {
			if q == "all>90" {
				all++
			}
		}
		require.LessOrEqual(t, all, 4, "it is the same log from the same place")
	})
}
