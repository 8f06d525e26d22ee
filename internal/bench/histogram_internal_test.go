package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A quantile is that of the sorted samples, or less than a percent more.
func TestQuantilesAreThoseOfSortedSamples(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"narrow":   func() time.Duration { return time.Duration(random.Int64N(100)) },
		"wide":     func() time.Duration { return time.Duration(math.Exp(random.Float64() * 27)) },
		"uniform":  func() time.Duration { return time.Duration(random.Int64N(int64(time.Second))) },
		"constant": func() time.Duration { return 1234567 * time.Nanosecond },
	} {
		t.Run(name, func(t *testing.T) {
			var parts [2]histogram
			var samples []time.Duration
			for i := range 10_000 {
				d := draw()
				samples = append(samples, d)
				parts[i%2].add(d)
			}
			h := &parts[0]
			h.merge(&parts[1])
			slices.Sort(samples)
			require.Equal(t, uint64(len(samples)), h.total)
			require.Equal(t, samples[len(samples)-1], h.quantile(1))
			for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999} {
				exact := samples[max(int(math.Ceil(q*float64(len(samples))))-1, 0)]
				got := h.quantile(q)
				require.GreaterOrEqual(t, got, exact, q)
				require.LessOrEqual(t, float64(got), float64(exact)*1.01, q)
			}
		})
	}
}

func TestEveryDurationHasABucketOfItsSize(t *testing.T) {
	for d := time.Duration(0); d < 1<<maxBits; d += d/100 + 1 {
		i := bucket(d)
		require.GreaterOrEqual(t, upper(i), d)
		if i > 0 {
			require.Less(t, upper(i-1), d)
		}
	}
	require.Equal(t, buckets-1, bucket(math.MaxInt64))
}

func TestAHistogramOfNothing(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(0.5))
	h.add(-time.Second)
	require.Zero(t, h.quantile(1))
	require.Equal(t, uint64(1), h.total)
}
