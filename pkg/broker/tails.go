package broker

import (
	"slices"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

const (
	// tailEvents and tailBytes bound what is kept of one log: about what one round of reading brings.
	tailEvents = 128
	tailBytes  = 64 << 10
	// tailsBytes bounds what is kept of all logs.
	tailsBytes = 32 << 20
)

// tail is what the relay has passed on of one log, without a hole: every event of the log behind from, for as long as the
// epoch of its partition lasts.
//
// Frames are only ever added behind and taken away in front, so that a part of them can be handed out.
type tail struct {
	epoch  int
	from   event.Position
	judged bool // the store has been asked in this epoch, and found no gap behind from
	frames []store.Frame
	size   int
}

// behind returns the frames behind a position.
func (t *tail) behind(after event.Position) []store.Frame {
	n := len(t.frames)
	for n > 0 && t.frames[n-1].Position().After(after) {
		n--
	}
	return t.frames[n:len(t.frames):len(t.frames)]
}

// keep adds a frame to a log's tail, which begins behind from where there is none. Only logs with several readers have one,
// because a tail goes with the last of them. The caller holds the mutex.
func (r *relay) keep(c *chain, epoch int, from event.Position, frame store.Frame) {
	if c.joins < 2 {
		r.cutTail(c)
		return
	}
	if c.tail == nil {
		c.tail = &tail{epoch: epoch, from: from}
	}
	t := c.tail
	t.frames = append(t.frames, frame)
	r.weigh(t, frame.Size())
	for len(t.frames) > tailEvents || t.size > tailBytes {
		t.from = t.frames[0].Position() // judged still: it is behind what was
		r.weigh(t, -t.frames[0].Size())
		t.frames = t.frames[1:]
	}
	if r.tails > tailsBytes { // rare, and nothing is lost with them: readers read the logs
		for _, c := range r.chains {
			c.tail = nil
		}
		r.tails = 0
	}
}

func (r *relay) weigh(t *tail, size int) {
	t.size += size
	r.tails += size
}

func (r *relay) cutTail(c *chain) {
	if c.tail != nil {
		r.tails -= c.tail.size
		c.tail = nil
	}
}

// since returns from where on the relay is known to have passed on everything of a log, and its tail, if there is more than
// nothing. The caller holds the mutex.
func (r *relay) since(c *chain, p *part) (from event.Position, kept *tail) {
	if c.tail != nil && c.tail.epoch == p.epoch {
		return c.tail.from, c.tail
	}
	return c.reached(p), nil
}

// recall answers a request with what the relay has passed on, if that is all that the reader has missed: without a hole
// behind the reader's position in each of its logs. What the relay passes on from now on reaches a connection that gathers.
//
// Positions that the store has to judge are left to it: those that are not behind the floor, because the doubt before it may have
// been that history up to there is lost, and those beyond everything that is known of the store.
func (r *relay) recall(request store.Request, most int) (round store.Round, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.parts[request.Partition]
	if !p.vouched {
		return round, false
	}
	known := p.current.Later(request.Fence)
	reached, size := p.passed, 0
	var merged [][]store.Frame
	for _, l := range request.Logs {
		c := r.chains[l.Log.Name]
		if c == nil || !c.known || l.After.Timeline() != p.timeline || l.After.After(known) {
			return round, false
		}
		from, kept := r.since(c, p)
		judged := kept != nil && kept.judged || l.After.After(p.floor)
		if !judged || from.After(l.After) {
			return round, false
		}
		reached = reached.Later(l.After)
		if kept == nil {
			continue
		}
		frames := kept.behind(l.After)
		for _, f := range frames {
			size += f.Size()
		}
		if len(frames) > 0 {
			merged = append(merged, frames)
		}
	}
	if size > most {
		return round, false
	}
	return store.Round{Frames: merge(merged), Through: reached, Fence: reached, Relayed: true}, true
}

// merge returns the frames of several logs in order of position: one event that is in two of them once.
func merge(logs [][]store.Frame) []store.Frame {
	switch len(logs) {
	case 0:
		return nil
	case 1:
		return logs[0]
	}
	all := slices.Concat(logs...)
	slices.SortStableFunc(all, func(a, b store.Frame) int { return a.Position().Compare(b.Position()) })
	return slices.CompactFunc(all, func(a, b store.Frame) bool { return a.Position() == b.Position() })
}

// epoch returns what learn has to be told.
func (r *relay) epoch(partition int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts[partition].epoch
}

// learn puts before a log's tail what a page of the store has of it, read in the given epoch. So only the first of many
// readers who come back needs the store.
func (r *relay) learn(partition, epoch int, q backplane.Query, page excerpt) {
	if page.full || page.gap != event.GapNone {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p, c := &r.parts[partition], r.chains[q.Log]
	if !p.vouched || p.epoch != epoch || c == nil || !c.known || c.joins < 2 || q.After.Timeline() != p.timeline || q.Through.Timeline() != p.timeline {
		return
	}
	from, kept := r.since(c, p)
	if q.After.After(from) || from.After(q.Through) {
		return
	}
	t := &tail{epoch: p.epoch, from: q.After, judged: true}
	for _, f := range page.frames {
		if !f.Position().After(from) {
			t.frames = append(t.frames, f)
			t.size += f.Size()
		}
	}
	if kept != nil {
		t.frames = append(t.frames, kept.frames...)
		t.size += kept.size
	}
	if len(t.frames) > tailEvents || t.size > tailBytes {
		return
	}
	r.cutTail(c)
	c.tail = t
	r.tails += t.size
}
