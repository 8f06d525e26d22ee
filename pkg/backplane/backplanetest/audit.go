package backplanetest

import (
	"slices"

	"github.com/pushstream/pushstream/pkg/event"
)

// audit holds everything that was called against everything that was acknowledged: whenever the partition was vouched
// for, and at every entry and progress, all events of the joined logs before it must have been passed on, from the head
// that was vouched for, or the join's where that is later. Where the partition is vouched for at the end, the rest must
// have been, too.
func (s *scene) audit(joined event.Position, events []stored) {
	s.t.Helper()
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b stored) int { return a.position.Compare(b.position) })

	var (
		vouched bool
		from    event.Position // what was passed on before it does not matter
		had     = make(map[placeInLog]bool)
		due     = events // those that are not known to have been passed on, or not to matter
	)
	settle := func(at string, isDue func(event.Position) bool) {
		s.t.Helper()
		for len(due) > 0 && isDue(due[0].position) {
			e := due[0]
			due = due[1:]
			if e.position.After(from) && !had[placeInLog{e.log, e.position}] {
				s.t.Errorf("%s: %v of %v was not passed on, and nothing was in doubt", at, e.position, e.log)
			}
		}
	}
	for _, c := range s.sink.all() {
		if c.partition != s.partition {
			continue
		}
		switch c.kind {
		case callDoubt:
			vouched = false
		case callVouched:
			vouched, from = true, joined.Later(c.position)
		case callProgress:
			settle("progress to "+c.position.String(), func(p event.Position) bool { return !p.After(c.position) })
		case callRelay:
			had[placeInLog{c.entry.Log, c.position}] = true
			if vouched && !c.position.IsZero() {
				settle("entry "+c.position.String(), c.position.After)
			}
		case callSignal: // is of no log
		}
	}
	if vouched {
		settle("end", func(event.Position) bool { return true })
	}
}
