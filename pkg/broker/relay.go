package broker

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// relay is the sink of the backplane. It checks each joined log's chain, encodes events and hands them to the store.
//
// The backplane calls it one call at a time for a partition; joining and leaving come from any goroutine.
type relay struct {
	store   *store.Store
	log     *slog.Logger
	metrics Metrics
	ending  func() bool // the node is stopping: a doubt is no news
	begun   atomic.Bool // every partition has been vouched for once

	mu     sync.Mutex
	signal func(message []byte)
	parts  []part
	chains map[event.LogName]*chain
	tails  int // bytes of all tails
}

// part is what is known of a partition's relay.
type part struct {
	vouched  bool
	ever     bool           // it has been vouched for since the start
	floor    event.Position // where the chains began when the relay was last vouched for
	timeline string         // of the last position that was passed on
	passed   event.Position // everything up to here was passed on
	current  event.Position // of what was passed on last: it may come again, for another target
	epoch    int            // another one after every doubt
}

// chain is what the relay has passed on of one joined log.
type chain struct {
	log   store.Log
	joins int32
	known bool           // a Join has returned
	last  event.Position // everything of the log up to here was passed on, or is read by its readers
	tail  *tail          // nil for one without frames
}

// reached returns the last position up to which nothing of a log is missing: that of its chain, or where the relay was vouched for.
func (c *chain) reached(p *part) event.Position {
	if c.last.Timeline() == p.timeline {
		return p.floor.Later(c.last)
	}
	return p.floor
}

func newRelay(s *store.Store, partitions int, log *slog.Logger, metrics Metrics) *relay {
	return &relay{store: s, log: log, metrics: metrics, signal: func([]byte) {}, parts: make([]part, partitions), chains: make(map[event.LogName]*chain)}
}

// started reports whether every partition has been vouched for once. Every request asks.
func (r *relay) started() bool { return r.begun.Load() }

// joining makes room for the chains of logs whose relay is being asked for, so that none of their events is taken for
// one that nobody reads. It returns the logs as the store knows them.
func (r *relay) joining(names []event.LogName) []*store.Log {
	logs := make([]*store.Log, len(names))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, name := range names {
		c := r.chains[name]
		if c == nil {
			c = &chain{log: store.Log{Name: name}}
			r.chains[name] = c
		}
		c.joins++
		logs[i] = &c.log
	}
	return logs
}

// joined begins the chains of logs at the head that was read after their relay was confirmed.
func (r *relay) joined(logs []*store.Log, head event.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, log := range logs {
		if c := r.chains[log.Name]; !c.known {
			c.known = true
			c.last = c.last.Later(head)
		}
	}
}

// left is the opposite of joining.
func (r *relay) left(logs []*store.Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, log := range logs {
		if c := r.chains[log.Name]; c.joins > 1 {
			c.joins--
		} else {
			r.cutTail(c)
			delete(r.chains, log.Name)
		}
	}
}

// find returns a log as the store knows it, or as one that nobody reads. It returns nil for the zero name.
func (r *relay) find(name event.LogName) *store.Log {
	if name == (event.LogName{}) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.chains[name]; c != nil {
		return &c.log
	}
	return &store.Log{Name: name}
}

// Relay passes an event on to the readers of its log. If the chain says that events before it were missed, those readers
// go and read them first.
//
// That is the last resort, behind the relay's own doubts, and has two limits. A reader that leaves between an event that
// was dropped without a doubt and the next one of that log has a cursor behind the loss already. And an event for several
// targets may have come by another of them before the chain of this one is seen to be broken; it comes again in its place.
func (r *relay) Relay(entry backplane.Entry) {
	partition := r.partition(entry.Log.Tenant)
	if !entry.Position.IsZero() {
		r.meet(partition, entry.Position)
	}
	frame := sse.NewFrame(entry.Log.Target, entry.Event, entry.Position)
	log, from, missed := r.follow(partition, entry, frame)
	if log == nil {
		return // left in the meantime
	}
	if missed {
		r.log.Warn("relay missed events; their readers read the log again",
			slog.String("tenant", entry.Log.Tenant.String()), slog.String("kind", entry.Log.Target.Kind().String()))
		r.metrics.Doubt("chain")
		r.store.Rewind(log, from, entry.Prev)
	}
	r.store.Dispatch(log, frame)
}

// follow moves a log's chain on to entry, and reports from where on events are missing before it. It returns no log where
// nobody has joined it.
func (r *relay) follow(partition backplane.Partition, entry backplane.Entry, frame store.Frame) (log *store.Log, from event.Position, missed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, p := r.chains[entry.Log], &r.parts[partition]
	live := entry.Position.IsZero()
	if !live && entry.Position != p.current {
		p.passed, p.current = p.current, entry.Position
	}
	if c == nil {
		return nil, from, false
	}
	if live {
		return &c.log, from, false
	}
	from = c.reached(p)
	c.last = entry.Position
	switch {
	case !p.vouched || !c.known:
		r.cutTail(c)
		return &c.log, from, false
	case !entry.Loose && entry.Prev.After(from):
		r.cutTail(c)
		r.keep(c, p.epoch, entry.Prev, frame)
		return &c.log, from, true
	}
	if c.tail != nil && c.tail.epoch != p.epoch {
		r.cutTail(c)
	}
	r.keep(c, p.epoch, from, frame)
	return &c.log, from, false
}

// meet notes the timeline of what comes next. When it is another than before, the store has lost or may have lost history:
// nothing that connections compare positions with holds any more, so they all read their logs.
func (r *relay) meet(partition backplane.Partition, position event.Position) {
	r.mu.Lock()
	p := &r.parts[partition]
	changed := p.timeline != position.Timeline()
	if changed {
		p.timeline, p.floor = position.Timeline(), position
		p.epoch++
	}
	vouched := p.vouched
	r.mu.Unlock()
	if changed && vouched {
		r.log.Warn("timeline changed; all connections read their logs", slog.Int("partition", int(partition)), slog.String("timeline", position.Timeline()))
		r.metrics.Doubt("timeline")
		r.store.Doubt(int(partition))
		r.store.Vouched(int(partition))
	}
}

// Doubt sends the partition's connections to their logs until Vouched.
func (r *relay) Doubt(partition backplane.Partition, cause string) {
	r.mu.Lock()
	was := r.parts[partition].vouched
	r.parts[partition].vouched = false
	r.parts[partition].epoch++
	r.mu.Unlock()
	if was && !r.ending() {
		r.log.Warn("relay in doubt; connections read their logs", slog.Int("partition", int(partition)), slog.String("cause", cause))
		r.metrics.Doubt("relay")
	}
	r.store.Doubt(int(partition))
}

// Vouched lets the partition's connections go live again.
func (r *relay) Vouched(partition backplane.Partition, head event.Position) {
	r.mu.Lock()
	r.parts[partition] = part{
		vouched: true, ever: true, floor: head, timeline: head.Timeline(), passed: head, current: head, epoch: r.parts[partition].epoch + 1,
	}
	if !slices.ContainsFunc(r.parts, func(p part) bool { return !p.ever }) {
		r.begun.Store(true)
	}
	r.mu.Unlock()
	r.log.Info("relay vouched for", slog.Int("partition", int(partition)))
	r.store.Vouched(int(partition))
}

// Progress moves the cursors of connections that have been given everything.
func (r *relay) Progress(partition backplane.Partition, position event.Position) {
	r.meet(partition, position)
	r.mu.Lock()
	p := &r.parts[partition]
	p.passed, p.current = position, position
	r.mu.Unlock()
	r.store.Progress(int(partition), position)
}

// Signal hands a message of another node to whoever administers this one.
func (r *relay) Signal(_ backplane.Partition, message []byte) {
	r.mu.Lock()
	take := r.signal
	r.mu.Unlock()
	take(message)
}

func (r *relay) onSignal(take func(message []byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signal = take
}

func (r *relay) partition(tenant event.Tenant) backplane.Partition {
	return backplane.PartitionOf(tenant, len(r.parts))
}
