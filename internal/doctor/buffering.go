package doctor

import (
	"fmt"
	"slices"
	"time"
)

const whyBuffering = "a proxy that collects before it passes on makes events late, or holds them back for ever"

// buffering: does every block come at once?
func (e *evidence) buffering() Finding {
	f := Finding{Check: checkBuffering, Why: whyBuffering}
	if e.head.err != nil {
		return e.unreached(f)
	}
	r := e.idle
	switch why := e.noStream(); {
	case r.answered.IsZero() && r.reply.err == nil:
		f.Level, f.Measured = Fault, fmt.Sprintf("HEAD was answered after %s; of a stream not even the headers came in %s, and the connection is open", round(e.head.took), round(r.until.Sub(r.asked)))
		f.Cure = e.bufferingCure()
		return f
	case r.isStream() && !r.over() && len(r.blocks) == 0:
		f.Level, f.Measured = Fault, fmt.Sprintf("the headers came after %s, but no block in %s, and the connection is open", round(r.reply.took), round(r.until.Sub(r.asked)))
		f.Cure = e.bufferingCure()
		return f
	case why != "":
		f.Level, f.Measured = Skipped, why
		return f
	}
	f = e.delays(f)
	first, _ := r.find(kindHello)
	wait := first.at.Sub(r.asked) // not from the headers: what collects whole answers holds those back too
	f.Figures["hello_ms"] = wait.Milliseconds()
	f.Measured = fmt.Sprintf("hello %s after it was asked for; ", round(wait)) + f.Measured
	if wait-e.head.took > soon && f.Level != Fault { // HEAD had to connect as well
		f.Level = Warning
	}
	if (f.Level == Fault || f.Level == Warning) && f.Cure == nil {
		f.Cure = e.bufferingCure()
	}
	return f
}

// delays judges the events that were published; without any, the pings.
func (e *evidence) delays(f Finding) Finding {
	events, untold := e.published()
	f.Figures = map[string]int64{"events_sent": int64(len(events))}
	if len(events) == 0 {
		return e.pings(f, untold)
	}
	came := arrivals(e.trial.plain)
	var delays []time.Duration
	var at []time.Time
	for i, s := range events {
		if when, arrived := came[i+1]; arrived {
			delays, at = append(delays, when.Sub(s.at)), append(at, when)
		}
	}
	f.Figures["events_arrived"] = int64(len(delays))
	if len(delays) == 0 {
		return e.noneArrived(f)
	}
	slices.Sort(delays)
	median, most := delays[len(delays)/2], delays[len(delays)-1]
	f.Figures["median_ms"], f.Figures["max_ms"] = median.Milliseconds(), most.Milliseconds()
	lumped := lumps(at)
	f.Figures["lumped"] = int64(lumped)
	f.Level = OK
	f.Measured = fmt.Sprintf("%d of %d events came, after %s (median) to %s", len(delays), len(events), round(median), round(most))
	switch {
	case len(delays) < len(events) && most <= soon && e.passesOn():
		f.Level, f.Cure = Fault, shareCure()
		f.Measured += "; the others never, although pings did: " + unshared
	case most > soon && lumped > 0:
		f.Level = Fault
		f.Measured += fmt.Sprintf(", %d of them in lumps", lumped)
	case median > soon, len(delays) < len(events):
		f.Level = Fault
	case most > soon:
		f.Level = Warning
	}
	if len(delays) < len(events) {
		f.Measured += e.cutShort()
	}
	return f
}

// published returns the events that should have come, or why there are none.
func (e *evidence) published() (events []sent, untold string) {
	if len(arrivals(e.trial.plain)) == 0 && e.queryPasses() == stripped {
		return nil, "the topic does not reach the node: see headers"
	}
	return e.trial.sent, e.trial.untold
}

// noneArrived tells a proxy that holds everything back from nodes that do not know of each other.
func (e *evidence) noneArrived(f Finding) Finding {
	f.Level, f.Measured = Fault, fmt.Sprintf("of %d events that were published none came", len(e.trial.sent))
	if e.passesOn() {
		f.Measured += ", although pings did: " + unshared
		f.Cure = shareCure()
	}
	f.Measured += e.cutShort()
	return f
}

// passesOn reports whether blocks came all the while, so that whatever did not come was not held back. A stream that ended
// before a ping was due proves nothing.
func (e *evidence) passesOn() bool {
	late, _ := e.pingsLate()
	return !late && e.idle.has(kindPing) && !e.trial.plain.ended
}

// cutShort says when the stream of the events ended; "" if it did not.
func (e *evidence) cutShort() string {
	r := e.trial.plain
	if !r.ended {
		return ""
	}
	return "; their stream ended after " + round(r.until.Sub(r.asked))
}

const unshared = "the nodes that take them and the one that reads do not share them"

func shareCure() []Cure {
	return []Cure{{pushstream, doSet, "redis: redis://redis.example:6379", "the settings of every node: the same Redis"}}
}

// lumps counts events that came together with the one before: each was published only when that had come, or a second
// later.
func lumps(at []time.Time) int {
	const together = 20 * time.Millisecond
	n := 0
	for i := 1; i < len(at); i++ {
		if at[i].Sub(at[i-1]) < together {
			n++
		}
	}
	return n
}

// pings judges when nothing could be published.
func (e *evidence) pings(f Finding, untold string) Finding {
	late, longest := e.pingsLate()
	f.Figures["silence_ms"] = longest.Milliseconds()
	if e.idle.ended && !e.idle.has(kindPing) {
		f.Level = Skipped
		f.Measured = fmt.Sprintf("the stream ended before a ping came: see idle (no events were published: %s)", untold)
		return f
	}
	f.Level = OK
	f.Measured = fmt.Sprintf("the longest silence was %s, with a heartbeat of %s (no events were published: %s)", round(longest), round(e.heartbeat()), untold)
	if late {
		f.Level = Fault
	}
	return f
}

// pingsLate reports whether a ping should have come and did not.
func (e *evidence) pingsLate() (late bool, longest time.Duration) {
	longest, _ = e.idle.silences()
	return longest > e.heartbeat()+soon+e.heartbeat()/4, longest
}

func (e *evidence) bufferingCure() []Cure {
	return e.path().cure(
		Cure{nginx, doSet, "proxy_buffering off;", inLocation},
		Cure{haproxy, doRemove, "http-response wait-for-body", "frontend and backend"},
		Cure{caddy, doRemove, "response_buffers", "reverse_proxy; buffer_responses in older versions"})
}
