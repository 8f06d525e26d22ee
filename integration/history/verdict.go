package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Verdict says how the promise was kept.
type Verdict struct {
	// Acknowledged, Refused and Unanswered add up to all that was tried.
	Acknowledged, Refused, Unanswered int
	// Delivered counts events at readers, each as often as it came.
	Delivered int
	// Missing are acknowledged events that a reader has not got and of whose absence it was not told.
	Missing Findings
	// Late are acknowledged events that a reader has not got, and of whose absence it was told only after an event that was
	// published later.
	Late Findings
	// Disordered are events, or cursors, that came by a connection behind later ones, and acknowledgements whose positions
	// contradict the order of their publishes.
	Disordered Findings
	// Doubled are events that came by one connection more than once, without a gap of their target between.
	Doubled Findings
	// Foreign are events that nobody published, or that were published for another target.
	Foreign Findings
	// Again counts events that came again by a later connection: at least once is the promise.
	Again int
	// GapsRight counts targets of gaps where a reader has not got something that was acknowledged, and GapsWrong those where
	// it has everything.
	GapsRight, GapsWrong int
	// Absent are readers that were not connected at the end.
	Absent Findings
	// Ended counts connections of readers that ended.
	Ended int
	// Slowest is the longest time from an acknowledgement to a reader.
	Slowest time.Duration
}

// Findings counts something that must not be, and keeps the first examples.
type Findings struct {
	Count    int
	Examples []string
}

const maxExamples = 5

func (f *Findings) add(format string, args ...any) {
	f.Count++
	if len(f.Examples) < maxExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// String is the verdict in one line.
func (v Verdict) String() string {
	return fmt.Sprintf("%d acknowledged, %d refused, %d delivered; missing %d, told late %d, out of order %d, doubled %d, foreign %d, again %d, gaps %d right and %d wrong; %d connections ended, slowest %v",
		v.Acknowledged, v.Refused, v.Delivered, v.Missing.Count, v.Late.Count, v.Disordered.Count, v.Doubled.Count, v.Foreign.Count,
		v.Again, v.GapsRight, v.GapsWrong, v.Ended, v.Slowest.Round(time.Millisecond))
}

// Judge compares what readers were given with what was acknowledged.
func (h *History) Judge() (v Verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.Refused = h.refused
	stored := make(map[string][]int) // by target: numbers of acknowledged events, in the order of their positions
	for n, a := range h.attempts {
		switch {
		case a.acknowledged():
			v.Acknowledged++
			stored[a.target] = append(stored[a.target], n)
		case a.answered == 0:
			v.Unanswered++
		}
	}
	for target, numbers := range stored {
		h.judgeAnswers(&v, target, numbers)
		slices.SortFunc(numbers, func(a, b int) int { return compare(h.attempts[a].position, h.attempts[b].position) })
	}
	for _, r := range h.readers {
		r.mu.Lock()
		j := &judge{verdict: &v, reader: r, attempts: h.attempts}
		j.stream()
		for target := range r.targets {
			j.target(target, stored[target])
		}
		v.Ended += r.ended
		if !r.connected {
			v.Absent.add("%s", r.name)
		}
		r.mu.Unlock()
	}
	return v
}

// compare orders positions as Redis does: by time and sequence. The timeline's tag does not order.
func compare(a, b event.Position) int {
	return cmp.Or(cmp.Compare(a.Millis(), b.Millis()), cmp.Compare(a.Seq(), b.Seq()))
}

// judgeAnswers checks that an event whose publish began after another one had been acknowledged is behind it. numbers are in
// the order of their begin. History that was lost, and so another timeline, leaves nothing to compare with.
func (h *History) judgeAnswers(v *Verdict, target string, numbers []int) {
	attempts := h.attempts
	byAnswer := slices.Clone(numbers)
	slices.SortStableFunc(byAnswer, func(a, b int) int { return cmp.Compare(attempts[a].answered, attempts[b].answered) })
	var last event.Position // the highest position that was known when the publish began
	for _, n := range numbers {
		for len(byAnswer) > 0 && attempts[byAnswer[0]].answered < attempts[n].begun {
			if p := attempts[byAnswer[0]].position; last.Timeline() != p.Timeline() || compare(p, last) > 0 {
				last = p
			}
			byAnswer = byAnswer[1:]
		}
		if p := attempts[n].position; p.Timeline() == last.Timeline() && compare(p, last) <= 0 {
			v.Disordered.add("event %d of %s has %v, although %v had been acknowledged before", n, target, p, last)
		}
	}
}
