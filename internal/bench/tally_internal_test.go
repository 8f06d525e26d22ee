package bench

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever comes, a tally says what a set of all numbers would.
func TestTallyKnowsWhatASetKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := rapid.SliceOf(rapid.Uint64Range(0, 30)).Draw(t, "arrivals")
		var tally tally
		came := map[uint64]bool{}
		var highest uint64
		for _, n := range arrivals {
			want := inOrder
			switch {
			case came[n]:
				want = doubled
			case n < highest:
				want = late
			}
			require.Equal(t, want, tally.take(n))
			came[n], highest = true, max(highest, n)
		}
		all := sent{end: 31}
		doubtful := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 30), 0, 10, rapid.ID).Draw(t, "doubtful")
		slices.Sort(doubtful)
		all.doubtful = doubtful
		var missing uint64
		for n := range all.end {
			if !came[n] && !slices.Contains(doubtful, n) {
				missing++
			}
		}
		lost, told := tally.missing(all)
		require.Equal(t, missing, lost)
		require.Zero(t, told)
	})
}

func TestWhatAGapSaysIsNotLost(t *testing.T) {
	var tally tally
	tally.take(0)
	tally.take(2)
	tally.told() // 1 is in it
	tally.take(5)
	tally.take(7)
	lost, told := tally.missing(sent{end: 9})
	require.Equal(t, uint64(2), lost, "6 and 8: no gap was told since 5 came")
	require.Equal(t, uint64(3), told, "1, 3 and 4")
	tally.take(3)
	tally.told()
	lost, told = tally.missing(sent{end: 9})
	require.Zero(t, lost)
	require.Equal(t, uint64(4), told)
}
