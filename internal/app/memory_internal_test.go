package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryIsReturnedOnceASurgeIsOver(t *testing.T) {
	t.Parallel()
	var s surge
	require.False(t, s.over(0), "nobody has come")
	require.False(t, s.over(900))
	require.False(t, s.over(900), "they are too few")
	require.False(t, s.over(5000), "they are still coming")
	require.False(t, s.over(18_000))
	require.True(t, s.over(18_050), "they have come")
	require.False(t, s.over(18_050), "that was said")
	require.False(t, s.over(17_200))
	require.False(t, s.over(17_200), "too few have gone")
	require.False(t, s.over(10))
	require.True(t, s.over(0), "they have gone")
}
