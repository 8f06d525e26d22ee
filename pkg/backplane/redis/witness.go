package redis

import (
	"sync"

	"github.com/pushstream/pushstream/pkg/event"
)

// witness remembers the last position that this node knows to have been given, of each timeline that the store has not
// been asked about since. Where the store has lost it, the store marks the loss.
type witness struct {
	mu    sync.Mutex
	last  event.Position   // of the present timeline
	older []event.Position // of those before
	times int              // how often older ones have been asked about
}

// see takes a position that was acknowledged, passed on, or the head.
func (w *witness) see(p event.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() && w.last.Timeline() != p.Timeline() {
		for i, old := range w.older { // a late word of a timeline that has ended
			if old.Timeline() == p.Timeline() {
				w.older[i] = old.Later(p)
				return
			}
		}
		w.older = append(w.older, w.last)
		w.last = p
		return
	}
	w.last = w.last.Later(p)
}

// testimony returns what the store is asked about.
func (w *witness) testimony() []event.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append([]event.Position(nil), w.older...)
	if !w.last.IsZero() {
		all = append(all, w.last)
	}
	return all
}

// heard forgets what the store has been asked about.
func (w *witness) heard(testimony []event.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.older[:0]
	for _, old := range w.older {
		asked := false
		for _, t := range testimony {
			asked = asked || t == old
		}
		if !asked {
			kept = append(kept, old)
		}
	}
	if len(kept) < len(w.older) {
		w.times++
	}
	w.older = kept
}

// owes reports whether the store has to be asked about a timeline that has ended.
func (w *witness) owes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.older) > 0
}

// asked counts how often the store has been asked about timelines that had ended.
func (w *witness) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times
}
