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
		var had tally
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
			require.Equal(t, want, had.take(n))
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
		lost, told := had.missing(all)
		require.Equal(t, missing, lost)
		require.Zero(t, told)
	})
}

func TestWhatAGapSaysIsNotLost(t *testing.T) {
	var had tally
	had.take(0)
	had.take(2)
	had.told() // 1 is in it
	had.take(5)
	had.take(7)
	lost, told := had.missing(sent{end: 9})
	require.Equal(t, uint64(2), lost, "6 and 8: no gap was told since 5 came")
	require.Equal(t, uint64(3), told, "1, 3 and 4")
	had.take(3)
	had.told()
	lost, told = had.missing(sent{end: 9})
	require.Zero(t, lost)
	require.Equal(t, uint64(4), told)
}
