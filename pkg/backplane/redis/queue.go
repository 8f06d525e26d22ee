package redis

import (
	"slices"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// maxCallEvents and maxCallBytes bound how long one call keeps the server from everybody else: about a millisecond.
	maxCallEvents = 128
	maxCallBytes  = 256 << 10
)

// request is what one caller of Publish waits for.
type request struct {
	done chan struct{} // closed when no publication waits

	mu       sync.Mutex
	results  []backplane.Result
	answered []bool
	waits    int
	givenUp  bool
}

func (q *request) isGivenUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.givenUp
}

// soFar returns what is known by now, and err for the rest. A call may be under way: its outcome is nobody's business any
// more. What still waits is not sent: long after its publisher was told that it failed, nobody expects it.
func (q *request) soFar(err error) []backplane.Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.givenUp = true
	known := slices.Clone(q.results)
	for i, answered := range q.answered {
		if !answered {
			known[i].Err = err
		}
	}
	return known
}

// item is one publication of a request.
type item struct {
	request     *request
	publication *backplane.Publication
	index       int
}

func (it *item) partition(e *Engine) *partition { return e.partitionOf(it.publication.Tenant) }

func (it *item) answer(r backplane.Result) {
	q := it.request
	q.mu.Lock()
	defer q.mu.Unlock()
	q.results[it.index], q.answered[it.index] = r, true
	q.waits--
	if q.waits == 0 {
		close(q.done)
	}
}

// queue is what waits for a call. A tenant's publications go in the order in which they came, and tenants take turns: what
// one of them has in store does not hold up the others.
type queue struct {
	lines []*line // the one whose turn it is first; none is empty
	of    map[event.Tenant]*line
}

// line is what waits of one tenant.
type line struct {
	tenant event.Tenant
	items  []*item
}

func (q *queue) add(it *item) {
	tenant := it.publication.Tenant
	l := q.of[tenant]
	if l == nil {
		l = &line{tenant: tenant}
		if q.of == nil {
			q.of = make(map[event.Tenant]*line)
		}
		q.of[tenant] = l
		q.lines = append(q.lines, l)
	}
	l.items = append(l.items, it)
}

// take takes as much as one call may have; nil where nothing waits.
func (q *queue) take() (taken []*item) {
	bytes := 0
	for len(q.lines) > 0 && len(taken) < maxCallEvents && bytes < maxCallBytes {
		if it := q.pop(); !it.request.isGivenUp() {
			taken = append(taken, it)
			bytes += it.publication.Event.Size()
		}
	}
	return taken
}

func (q *queue) pop() *item {
	l := q.lines[0]
	it := l.items[0]
	l.items[0], l.items = nil, l.items[1:]
	switch {
	case len(l.items) == 0:
		q.lines[0], q.lines = nil, q.lines[1:]
		delete(q.of, l.tenant)
	case len(q.lines) > 1:
		q.lines = append(q.lines[1:], l)
	}
	return it
}
