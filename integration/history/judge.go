package history

import (
	"slices"
	"sort"

	"github.com/pushstream/pushstream/pkg/event"
)

// judge judges one reader; its mutex is held.
type judge struct {
	verdict  *Verdict
	reader   *Reader
	attempts []attempt

	// seen says for each event in which life of a line it came last; 0 where it has not come.
	seen []int
	life int
}

// line is what came by one connection.
type line struct {
	connection int
	cursor     event.Position
	newest     map[string]event.Position // by target
}

// stream walks through all blocks as they came, and judges their order.
func (j *judge) stream() {
	v, name := j.verdict, j.reader.name
	j.seen = make([]int, len(j.attempts))
	var on line
	for _, b := range j.reader.blocks {
		if on.connection != b.connection {
			on = line{connection: b.connection, newest: make(map[string]event.Position)}
			j.life++
		}
		if !b.Cursor.IsZero() && compare(b.Cursor, on.cursor) < 0 {
			v.Disordered.add("%s: cursor %v behind %v", name, b.Cursor, on.cursor)
		}
		on.cursor = later(on.cursor, b.Cursor)
		if b.Kind == Gap && b.Reason == event.GapLost {
			// A publish that was repeated because the store had lost it has a second event of the same number, and a store
			// that has lost history may go on below what it had given out.
			j.life++
			on.cursor = event.Position{}
			for _, target := range b.Targets {
				delete(on.newest, target)
			}
		}
		if b.Kind == Event {
			j.event(on, b)
		}
	}
}

// event judges one event of a connection.
func (j *judge) event(on line, b Block) {
	v, name := j.verdict, j.reader.name
	v.Delivered++
	if !j.published(b) || !j.reader.targets[b.Target] {
		v.Foreign.add("%s: event %d of %s", name, b.Number, b.Target)
		return
	}
	last := on.newest[b.Target]
	switch {
	case j.seen[b.Number] == j.life:
		v.Doubled.add("%s: event %d of %s at %v", name, b.Number, b.Target, b.Position)
	case compare(b.Position, last) <= 0:
		v.Disordered.add("%s: event %d of %s, %v behind %v", name, b.Number, b.Target, b.Position, last)
	case j.seen[b.Number] != 0:
		v.Again++
	}
	j.seen[b.Number] = j.life
	on.newest[b.Target] = later(last, b.Position)
	if a := j.attempts[b.Number]; a.acknowledged() {
		v.Slowest = max(v.Slowest, b.at-a.answered)
	}
}

// published reports whether an event is one that somebody tried to publish.
func (j *judge) published(b Block) bool {
	return b.Number >= 0 && b.Number < len(j.attempts) && j.attempts[b.Number].target == b.Target && !b.Position.IsZero()
}

func later(a, b event.Position) event.Position {
	if compare(b, a) > 0 {
		return b
	}
	return a
}

// view is what a reader was given of one target, as indices of its blocks, in the order in which they came.
type view struct {
	blocks       []Block
	events, gaps []int
	timelines    map[string]*timeline
}

// timeline has the events of one timeline in the order of their positions.
type timeline struct {
	events []int
	// last is the index of the block that came last of events[:i+1].
	last []int
}

func (j *judge) view(target string) view {
	w := view{blocks: j.reader.blocks, timelines: make(map[string]*timeline)}
	for i, b := range w.blocks {
		switch {
		case b.Kind == Event && b.Target == target && j.published(b):
			w.events = append(w.events, i)
			t := w.timelines[b.Position.Timeline()]
			if t == nil {
				t = new(timeline)
				w.timelines[b.Position.Timeline()] = t
			}
			t.events = append(t.events, i)
		case b.Kind == Gap && slices.Contains(b.Targets, target):
			w.gaps = append(w.gaps, i)
		}
	}
	for _, t := range w.timelines {
		slices.SortStableFunc(t.events, func(a, b int) int { return compare(w.blocks[a].Position, w.blocks[b].Position) })
		newest := -1
		for _, index := range t.events {
			newest = max(newest, index)
			t.last = append(t.last, newest)
		}
	}
	return w
}

// before returns the index of the last block with an event before a position, or -1. What another timeline has says nothing,
// unless there is nothing else: the clock may have gone back when history was lost.
func (w view) before(p event.Position) int {
	if t := w.timelines[p.Timeline()]; t != nil {
		if i := t.before(w.blocks, p); i >= 0 {
			return i
		}
	}
	last := -1
	for tag, t := range w.timelines {
		if tag != p.Timeline() {
			last = max(last, t.before(w.blocks, p))
		}
	}
	return last
}

func (t *timeline) before(blocks []Block, p event.Position) int {
	i := sort.Search(len(t.events), func(i int) bool { return compare(blocks[t.events[i]].Position, p) >= 0 })
	if i == 0 {
		return -1
	}
	return t.last[i-1]
}

// target judges what the reader has of one target: whether all is there, and whether the gaps were right.
func (j *judge) target(target string, stored []int) {
	if len(j.reader.blocks) == 0 {
		return // it was never there
	}
	w := j.view(target)
	var missing []int
	for _, n := range stored {
		if j.seen[n] == 0 && j.due(n) {
			missing = append(missing, n)
		}
	}
	for _, n := range missing {
		j.untold(w, n)
	}
	for _, gap := range w.gaps {
		if j.covers(w, gap, missing) {
			j.verdict.GapsRight++
		} else {
			j.verdict.GapsWrong++
		}
	}
}

// due reports whether the reader was to get an event: it was there already. What its first hello was before is not for it.
func (j *judge) due(n int) bool {
	first, a := j.reader.blocks[0], j.attempts[n]
	return a.begun > first.at || (!first.Cursor.IsZero() && compare(a.position, first.Cursor) > 0)
}

// untold judges an event that is missing: was the reader told, and in time?
func (j *judge) untold(w view, n int) {
	blocks, a := j.reader.blocks, j.attempts[n]
	place := w.before(a.position)
	told := sort.SearchInts(w.gaps, place+1)
	if told == len(w.gaps) {
		j.verdict.Missing.add("%s: event %d of %s at %v, acknowledged at %v", j.reader.name, n, a.target, a.position, a.answered)
		return
	}
	for _, i := range w.events[sort.SearchInts(w.events, place+1):] {
		if i > w.gaps[told] {
			return
		}
		if j.attempts[blocks[i].Number].begun > a.answered {
			j.verdict.Late.add("%s: event %d of %s at %v, behind %v", j.reader.name, n, a.target, a.position, blocks[i].Position)
			return
		}
	}
}

// covers reports whether something is missing where a gap was told: between the events of its target around it.
func (j *judge) covers(w view, gap int, missing []int) bool {
	blocks := j.reader.blocks
	for _, n := range missing {
		p := j.attempts[n].position
		place := w.before(p)
		if place >= gap || j.attempts[n].begun > blocks[gap].at {
			continue
		}
		// No event of the target may have come between, unless it is as old.
		next := sort.SearchInts(w.events, place+1)
		if next == len(w.events) || w.events[next] > gap || j.attempts[blocks[w.events[next]].Number].begun <= j.attempts[n].answered {
			return true
		}
	}
	return false
}
