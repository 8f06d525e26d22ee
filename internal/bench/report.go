package bench

import (
	"errors"
	"fmt"
	"time"
)

// Series is how often something happened, and how long it took.
type Series struct {
	// Count is how often.
	Count uint64 `json:"count"`
	// PerSecond is how often in a second.
	PerSecond float64 `json:"per_second"`
	// P50, P99, P999 and Max are durations in milliseconds: what half, 99 and 99.9 percent did not exceed, and none did.
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`

	histogram *histogram
}

func newSeries(h *histogram, over time.Duration) Series {
	s := Series{
		Count: h.total, P50: milliseconds(h.quantile(0.5)), P99: milliseconds(h.quantile(0.99)),
		P999: milliseconds(h.quantile(0.999)), Max: milliseconds(h.max), histogram: h,
	}
	if over > 0 {
		s.PerSecond = float64(h.total) / over.Seconds()
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Report is what was measured.
type Report struct {
	// Readers is how many were asked for, Connected how many of them were measured, and Ended how many of those were told not
	// to come back.
	Readers   int `json:"readers"`
	Connected int `json:"connected"`
	Ended     int `json:"ended"`
	// Targets is how many topics they were spread over.
	Targets int `json:"targets"`
	// Began is when what is measured began, after the warm-up, for who compares it with what the deployment itself measures.
	Began time.Time `json:"began"`
	// Seconds is how long was published and measured.
	Seconds float64 `json:"seconds"`
	// Interrupted says that the run was ended early.
	Interrupted bool `json:"interrupted"`

	// Connects are streams that were opened, and how long it took from the first packet to the hello.
	Connects Series `json:"connects"`
	// Acknowledged are events, and how long it took from when they were due to the answer.
	Acknowledged Series `json:"acknowledged"`
	// Deliveries are events that came to a reader, and how long it took from when they were due.
	Deliveries Series `json:"deliveries"`

	// Published is how many events were acknowledged in all, and Doubtful how many were not, warm-up included, as below.
	Published uint64 `json:"published"`
	Doubtful  uint64 `json:"unacknowledged"`
	// Delivered is how many events came, counted once for each reader.
	Delivered uint64 `json:"delivered"`
	// Lost is how many deliveries of acknowledged events did not happen, without a word; Skipped is how many did not happen and
	// a gap was told.
	Lost    uint64 `json:"lost"`
	Skipped uint64 `json:"skipped_in_gaps"`
	// Doubled is how many events came again, and OutOfOrder how many came after a later one.
	Doubled    uint64 `json:"doubled"`
	OutOfOrder uint64 `json:"out_of_order"`
	// Reconnects is how many streams ended, Gaps how many gaps were told, and Failures how many connections did not become a
	// stream.
	Reconnects int `json:"reconnects"`
	Gaps       int `json:"gaps"`
	Failures   int `json:"failed_connects"`
	// Reasons are why streams and connections ended, and how often.
	Reasons map[string]int `json:"reasons"`

	refused error // why the last event was not acknowledged
}

// report returns what was measured, when all has ended.
func (r *run) report() (Report, error) {
	all := seen{whys: make(map[string]int)}
	out := Report{Readers: r.cfg.Readers, Targets: len(r.lanes), Interrupted: r.interrupted, Began: r.base.Add(r.plan.measure)}
	for _, s := range r.shards {
		all.merge(&s.seen)
		for i := range s.readers {
			switch at := &s.readers[i]; {
			case !at.live:
			case at.phase == phaseEnded:
				out.Ended++
			default:
				lost, told := at.tally.missing(r.lanes[at.target].sent)
				out.Lost += lost
				out.Skipped += told
			}
		}
	}
	var acks histogram
	var last time.Duration
	for _, p := range r.publishers {
		acks.merge(&p.acks)
		last = max(last, p.last)
		out.Published += p.acknowledged.Load()
		if out.Doubtful += p.doubtful; p.worst != nil {
			out.refused = p.worst
		}
	}
	if acks.total == 0 {
		return Report{}, fmt.Errorf("%w: no event was acknowledged after the warm-up: %w", ErrNothing, r.unmeasured(out))
	}
	out.Connected, out.Delivered, out.Doubled, out.OutOfOrder = all.live, all.delivered, all.doubled, all.late
	out.Reconnects, out.Gaps, out.Failures, out.Reasons = all.reconnects, all.gaps, all.failures, all.whys
	// An interrupted run was shorter than planned; the last answer is when it was over.
	out.Seconds = max(min(last, r.plan.end)-r.plan.measure, 0).Seconds()
	over := func(end time.Duration) time.Duration { return max(end, r.ending(last)) - r.plan.measure }
	out.Connects = newSeries(&all.connects, all.lastConnect-r.firstDial)
	out.Acknowledged = newSeries(&acks, over(last))
	out.Deliveries = newSeries(&all.deliveries, over(all.lastDelivery))
	return out, nil
}

// ending returns when publishing was over: at a low rate the last answer comes long before.
func (r *run) ending(last time.Duration) time.Duration {
	if r.interrupted {
		return last
	}
	return r.plan.end
}

// unmeasured says why nothing was acknowledged.
func (r *run) unmeasured(out Report) error {
	switch {
	case r.interrupted:
		return errors.New("it was interrupted")
	case out.refused != nil:
		return out.refused
	}
	return errors.New("--rate is too low for --duration")
}

// Err returns what is wrong with what was measured; nil where every acknowledged event came to every reader that it is for, in
// order, or a gap was told.
func (r Report) Err() error {
	var faults []error
	if r.Lost > 0 {
		faults = append(faults, fmt.Errorf("%d deliveries of acknowledged events are lost", r.Lost))
	}
	if r.OutOfOrder > 0 {
		faults = append(faults, fmt.Errorf("%d deliveries were out of order", r.OutOfOrder))
	}
	if missing := r.Readers - r.Connected; missing > 0 {
		faults = append(faults, fmt.Errorf("%d of %d readers could not connect: %s", missing, r.Readers, r.mostly()))
	}
	if r.Ended > 0 {
		faults = append(faults, fmt.Errorf("%d readers were told not to come back: %s", r.Ended, r.mostly()))
	}
	return errors.Join(faults...)
}

// mostly returns the most common reason.
func (r Report) mostly() string {
	best, most := "none was answered in time", 0
	for why, n := range r.Reasons {
		if n > most || n == most && why < best {
			best, most = why, n
		}
	}
	return best
}
