package bench

import "slices"

// arrival is what the arrival of an event was.
type arrival uint8

const (
	// inOrder: it came once, and behind all before it.
	inOrder arrival = iota
	// late: it came after a later one.
	late
	// doubled: it had come before.
	doubled
)

// tally is what one reader has had of its target, whose events are numbered from 0. It takes a few words for a reader that
// misses nothing.
type tally struct {
	next  uint64 // one behind the highest number that has come
	holes []hole // what has not come below that, in order
	gap   bool   // a gap was told, and no event has come since
}

// hole is a range of events that did not come.
type hole struct {
	from, to uint64 // to is one behind the last
	told     bool   // the server told of a gap here
}

// take notes that an event has come.
func (t *tally) take(number uint64) arrival {
	if number < t.next {
		return t.fill(number)
	}
	if number > t.next {
		t.holes = append(t.holes, hole{t.next, number, t.gap})
	}
	t.next, t.gap = number+1, false
	return inOrder
}

// fill notes that an event has come after a later one.
func (t *tally) fill(number uint64) arrival {
	i := slices.IndexFunc(t.holes, func(h hole) bool { return h.from <= number && number < h.to })
	if i < 0 {
		return doubled
	}
	h := t.holes[i]
	var rest []hole
	if h.from < number {
		rest = append(rest, hole{h.from, number, h.told})
	}
	if number+1 < h.to {
		rest = append(rest, hole{number + 1, h.to, h.told})
	}
	t.holes = slices.Replace(t.holes, i, i+1, rest...)
	return late
}

// told notes a gap: what has not come so far, and what is skipped next, was not lost silently.
func (t *tally) told() {
	t.gap = true
	for i := range t.holes {
		t.holes[i].told = true
	}
}

// sent is what was published to one target, when all is over.
type sent struct {
	end uint64 // how many events there were
	// doubtful are the numbers of those that were not acknowledged, in ascending order: they may come or not.
	doubtful []uint64
}

// acknowledged returns how many of a range have to come.
func (s sent) acknowledged(from, to uint64) uint64 {
	if from >= to {
		return 0
	}
	first, _ := slices.BinarySearch(s.doubtful, from)
	last, _ := slices.BinarySearch(s.doubtful, to)
	return to - from - uint64(last-first) //nolint:gosec // not under 0, since both are in order
}

// missing returns how many acknowledged events have not come: silently, and with a gap that the server has told of.
func (t *tally) missing(s sent) (lost, told uint64) {
	for _, h := range t.holes {
		if n := s.acknowledged(h.from, h.to); h.told {
			told += n
		} else {
			lost += n
		}
	}
	if rest := s.acknowledged(t.next, s.end); t.gap {
		told += rest
	} else {
		lost += rest
	}
	return lost, told
}
