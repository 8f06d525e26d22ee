package backplanetest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/event"
)

// hooked is an engine some of whose methods are replaced.
type hooked struct {
	backplane.Backplane

	publish func(ctx context.Context, publications []backplane.Publication) []backplane.Result
	replay  func(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error)
	head    func(ctx context.Context, partition backplane.Partition) (event.Position, error)
	run     func(ctx context.Context, to backplane.Sink) error
}

func (h *hooked) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	if h.publish != nil {
		return h.publish(ctx, publications)
	}
	return h.Backplane.Publish(ctx, publications)
}

func (h *hooked) Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	if h.replay != nil {
		return h.replay(ctx, queries)
	}
	return h.Backplane.Replay(ctx, queries)
}

func (h *hooked) Head(ctx context.Context, partition backplane.Partition) (event.Position, error) {
	if h.head != nil {
		return h.head(ctx, partition)
	}
	return h.Backplane.Head(ctx, partition)
}

func (h *hooked) Run(ctx context.Context, to backplane.Sink) error {
	if h.run != nil {
		return h.run(ctx, to)
	}
	return h.Backplane.Run(ctx, to)
}

// sink is a sink some of whose methods are replaced.
type sink struct {
	backplane.Sink

	relay    func(e backplane.Entry)
	doubt    func(p backplane.Partition, cause string)
	vouched  func(p backplane.Partition, head event.Position)
	progress func(p backplane.Partition, at event.Position)
}

func (s sink) Relay(e backplane.Entry) {
	if s.relay != nil {
		s.relay(e)
		return
	}
	s.Sink.Relay(e)
}

func (s sink) Doubt(p backplane.Partition, cause string) {
	if s.doubt != nil {
		s.doubt(p, cause)
		return
	}
	s.Sink.Doubt(p, cause)
}

func (s sink) Vouched(p backplane.Partition, head event.Position) {
	if s.vouched != nil {
		s.vouched(p, head)
		return
	}
	s.Sink.Vouched(p, head)
}

func (s sink) Progress(p backplane.Partition, at event.Position) {
	if s.progress != nil {
		s.progress(p, at)
		return
	}
	s.Sink.Progress(p, at)
}

// onSink puts something between the engine and its sink.
func onSink(between func(to backplane.Sink) backplane.Sink) func(*backplanetest.Harness) {
	return func(h *backplanetest.Harness) {
		engine := h.Backplane
		h.Backplane = &hooked{Backplane: engine, run: func(ctx context.Context, to backplane.Sink) error {
			return engine.Run(ctx, between(to))
		}}
	}
}

type relay func(to backplane.Sink, e backplane.Entry)

// onRelay puts something, new in each Run, between the relay and the sink.
func onRelay(begin func() relay) func(*backplanetest.Harness) {
	return onSink(func(to backplane.Sink) backplane.Sink {
		pass := begin()
		return sink{Sink: to, relay: func(e backplane.Entry) { pass(to, e) }}
	})
}

type publisher func(ctx context.Context, p backplane.Publication) backplane.Result

// onPublish puts something in the way of every publication, one at a time.
func onPublish(engine backplane.Backplane, do func(publish publisher, ctx context.Context, p backplane.Publication) backplane.Result) backplane.Backplane {
	var mu sync.Mutex
	one := func(ctx context.Context, p backplane.Publication) backplane.Result {
		return engine.Publish(ctx, []backplane.Publication{p})[0]
	}
	return &hooked{Backplane: engine, publish: func(ctx context.Context, publications []backplane.Publication) []backplane.Result {
		mu.Lock()
		defer mu.Unlock()
		results := make([]backplane.Result, len(publications))
		for i, p := range publications {
			results[i] = do(one, ctx, p)
		}
		return results
	}}
}

// onPublication changes every publication.
func onPublication(change func(p *backplane.Publication)) func(*backplanetest.Harness) {
	return func(h *backplanetest.Harness) {
		h.Backplane = onPublish(h.Backplane, func(publish publisher, ctx context.Context, p backplane.Publication) backplane.Result {
			change(&p)
			return publish(ctx, p)
		})
	}
}

// onPage changes every page.
func onPage(change func(q *backplane.Query, page *backplane.Page)) func(*backplanetest.Harness) {
	return func(h *backplanetest.Harness) {
		engine := h.Backplane
		h.Backplane = &hooked{Backplane: engine, replay: func(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
			pages, err := engine.Replay(ctx, queries)
			for i := range pages {
				change(&queries[i], &pages[i])
			}
			return pages, err
		}}
	}
}

// deaf is an engine that does not pass on what it should, after a Join or a Leave.
type deaf struct {
	backplane.Backplane

	onJoin, onLeave bool

	mu   sync.Mutex
	left map[event.LogName]bool // does not hear anything, until the next Join
	skip map[event.LogName]bool // does not hear the next
}

func (d *deaf) Join(ctx context.Context, logs []event.LogName) (event.Position, error) {
	head, err := d.Backplane.Join(ctx, logs)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skip = make(map[event.LogName]bool)
	for _, log := range logs {
		delete(d.left, log)
		d.skip[log] = d.onJoin
	}
	return head, err
}

func (d *deaf) Leave(logs []event.LogName) {
	d.Backplane.Leave(logs)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = make(map[event.LogName]bool)
	for _, log := range logs {
		d.left[log] = d.onLeave
	}
}

func (d *deaf) Run(ctx context.Context, to backplane.Sink) error {
	return d.Backplane.Run(ctx, sink{Sink: to, relay: func(e backplane.Entry) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.left[e.Log] && !d.skip[e.Log] {
			to.Relay(e)
		}
		delete(d.skip, e.Log)
	}})
}

// reusable are tickets that are never used up.
type reusable struct {
	backplane.Tickets
}

func (r reusable) Take(ctx context.Context, id string) ([]byte, error) { return r.Peek(ctx, id) }

// forgetful loses every third signal; or keeps signals for a wrong time, so many times as long as it should, 1 for not at all.
type forgetful struct {
	backplane.Signals

	keeps int
	sent  atomic.Int32
}

func (f *forgetful) Send(ctx context.Context, partition backplane.Partition, message []byte, keep time.Duration) (int, error) {
	switch {
	case f.keeps == 1:
		keep = 0
	case f.keeps > 1:
		keep *= time.Duration(f.keeps)
	case f.sent.Add(1)%3 == 0:
		return 1, nil
	}
	return f.Signals.Send(ctx, partition, message, keep)
}

// tardy holds signals back until the relay is vouched for.
type tardy struct {
	backplane.Sink

	mu   sync.Mutex
	held []func()
}

func (t *tardy) Signal(p backplane.Partition, message []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held, func() { t.Sink.Signal(p, message) })
}

func (t *tardy) Vouched(p backplane.Partition, head event.Position) {
	t.Sink.Vouched(p, head)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tell := range t.held {
		tell()
	}
	t.held = nil
}
