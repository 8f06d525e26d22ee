package backplanetest

import (
	"slices"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func replayCases() []testCase {
	return []testCase{
		{name: "after and through", test: replayBounds},
		{name: "after nothing", test: replayFromTheFirst},
		{name: "pages end at their limit", test: replayLimit},
		{name: "pages end at their bytes", test: replayBytes},
		{name: "a page for each query, in their order", test: replayMany},
		{name: "a page that is not full is complete", test: replayWhileWriting},
	}
}

func replayBounds(s *scene) {
	log := s.topic("a")
	start := s.head()
	e := s.putAll(10, log)
	other := s.put(s.topic("b"))
	for _, c := range []struct {
		name           string
		after, through event.Position
		want           []stored
	}{
		{"all", start, other.position, e},
		{"behind an entry", e[2].position, other.position, e[3:]},
		{"up to an entry", start, e[6].position, e[:7]},
		{"between", e[2].position, e[6].position, e[3:7]},
		{"one", e[8].position, e[9].position, e[9:]},
		{"nothing behind the last", e[9].position, other.position, nil},
		{"nothing between equals", e[4].position, e[4].position, nil},
		{"nothing backwards", e[4].position, e[2].position, nil},
	} {
		page := s.replay(whole(log, c.after, c.through))[0]
		s.same(c.name, page.Entries, c.want)
		s.expect(!page.Full, "%s: the page is full", c.name)
		s.expect(page.Gap == event.GapNone, "%s: gap %q", c.name, page.Gap)
	}
}

func replayFromTheFirst(s *scene) {
	log := s.topic("a")
	e := s.putAll(5, log)
	s.same("all", s.replay(whole(log, event.Position{}, e[4].position))[0].Entries, e)
	page := s.replay(backplane.Query{Log: log, Through: e[3].position, Limit: 2, Bytes: 1 << 20})[0]
	s.same("the first", page.Entries, e[:2])
	s.expect(page.Full && page.Gap == event.GapNone, "full %v, gap %q", page.Full, page.Gap)
	page = s.replay(whole(s.topic("nothing"), event.Position{}, e[4].position))[0]
	s.expect(len(page.Entries) == 0 && !page.Full && page.Gap == event.GapNone, "a log that is not there: %d entries, full %v, gap %q", len(page.Entries), page.Full, page.Gap)
}

// follow reads page after page until one is not full.
func (s *scene) follow(q backplane.Query, most int) []backplane.Entry {
	s.t.Helper()
	var all []backplane.Entry
	for {
		page := s.replay(q)[0]
		s.expect(page.Gap == event.GapNone, "gap %q after %v", page.Gap, q.After)
		s.expect(len(page.Entries) <= most, "%d entries in a page, want at most %d", len(page.Entries), most)
		all = append(all, page.Entries...)
		if !page.Full {
			return all
		}
		if len(page.Entries) == 0 || !page.Entries[len(page.Entries)-1].Position.After(q.After) {
			s.t.Fatalf("a full page leads nowhere from %v", q.After)
		}
		q.After = page.Entries[len(page.Entries)-1].Position
	}
}

func replayLimit(s *scene) {
	log := s.topic("a")
	start := s.head()
	events := s.putAll(7, log)
	for _, limit := range []int{1, 2, 3, 7, 8} {
		q := whole(log, start, s.head())
		q.Limit = limit
		first := s.replay(q)[0]
		s.same("first page", first.Entries, events[:min(limit, 7)])
		s.expect(first.Full || limit >= 7, "limit %d: the page is not full", limit)
		s.same("all pages", s.follow(q, limit), events)
	}
	// What lies beyond through does not make a page full for ever.
	q := whole(log, start, events[3].position)
	q.Limit = 2
	s.same("all pages up to an entry", s.follow(q, 2), events[:4])
}

func replayBytes(s *scene) {
	log := s.topic("a")
	start := s.head()
	events := s.putAll(7, log)
	size := events[0].event.Size()
	for _, c := range []struct{ bytes, entries int }{
		{1, 1},
		{size - 1, 1},
		{size, 1},
		{size + 1, 2},
		{3 * size, 3},
		{100 * size, 7},
	} {
		q := whole(log, start, s.head())
		q.Bytes = c.bytes
		first := s.replay(q)[0]
		s.same("first page", first.Entries, events[:c.entries])
		s.expect(first.Full || c.entries == 7, "%d bytes: the page is not full", c.bytes)
		s.same("all pages", s.follow(q, c.entries), events)
	}
}

func replayMany(s *scene) {
	a, b, never := s.topic("a"), s.topic("b"), s.topic("never-written")
	start := s.head()
	events := s.putAll(6, a, b)
	inA, inB := []stored{events[0], events[2], events[4]}, []stored{events[1], events[3], events[5]}
	head := s.head()
	short := whole(b, start, head)
	short.Limit = 1
	pages := s.replay(whole(b, start, head), whole(never, start, head), whole(a, events[1].position, head), short, whole(a, start, head))
	for i, want := range [][]stored{inB, nil, inA[1:], inB[:1], inA} {
		s.same("page", pages[i].Entries, want)
		s.expect(pages[i].Full == (i == 3), "page %d is full: %v", i, pages[i].Full)
		s.expect(pages[i].Gap == event.GapNone, "page %d: gap %q", i, pages[i].Gap)
	}
}

// replayWhileWriting reads lap after lap, as a reader does that catches up: up to a head, then up to the next one.
func replayWhileWriting(s *scene) {
	logs := []event.LogName{s.topic("a"), s.topic("b"), s.topic("c")}
	cursor := s.head()
	var (
		writing sync.WaitGroup
		written = make(chan struct{})
		wrote   = make([][]stored, 2)
		failed  = make([]error, 2)
	)
	for w := range wrote {
		writing.Go(func() {
			for i := 0; i < 60 && failed[w] == nil; i++ {
				var e stored
				e, failed[w] = s.tryPut(logs[(w+i)%len(logs)])
				wrote[w] = append(wrote[w], e)
			}
		})
	}
	// Owned by this test, joined by the receive from written.
	go func() { writing.Wait(); close(written) }()

	read := make(map[event.LogName][]backplane.Entry)
	for last := false; !last; {
		select {
		case <-written:
			last = true
		default:
		}
		through := s.head()
		for _, log := range logs {
			q := whole(log, cursor, through)
			q.Limit = 3
			read[log] = append(read[log], s.follow(q, 3)...)
		}
		cursor = through
	}
	s.check(failed[0])
	s.check(failed[1])
	all := slices.Concat(wrote...)
	slices.SortFunc(all, func(a, b stored) int { return a.position.Compare(b.position) })
	for _, log := range logs {
		s.same(log.String(), read[log], slices.DeleteFunc(slices.Clone(all), func(e stored) bool { return e.log != log }))
	}
}
