package bench

import (
	"math/bits"
	"time"
)

const (
	// subBits says how fine a histogram is: each doubling of a duration has 128 buckets, so that a quantile is off by less
	// than one percent.
	subBits = 7
	// maxBits bounds what is told apart: durations from 2^42 ns, over an hour, are one.
	maxBits = 42
	buckets = (maxBits - subBits + 1) << subBits
)

// histogram counts durations in buckets whose width grows with the duration. It takes the same memory however much is counted.
// It belongs to one goroutine.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// add counts a duration. One under 0, which a clock that is read twice may give, is 0.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

// merge adds all that another one has.
func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile returns a duration that at least the share q, 0 to 1, of all do not exceed; 0 where there are none. It is the upper
// end of a bucket: it never says less than was measured.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bucket returns where a duration is counted: the first 128 have one nanosecond each, the next 128 too, and then each 128 have
// twice the width of those before.
func bucket(d time.Duration) int {
	v := uint64(d) //nolint:gosec // add has seen that it is not under 0
	shift := bits.Len64(v) - subBits - 1
	if shift < 0 {
		return int(v) //nolint:gosec // under 128
	}
	return min(shift<<subBits+int(v>>shift), buckets-1) //nolint:gosec // under 256
}

// upper returns the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < 2<<subBits {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration((i-shift<<subBits+1)<<shift - 1)
}
