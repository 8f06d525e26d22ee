package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneHeldStreamForTenServed(t *testing.T) {
	for most, held := range map[int]int{1: 1, 19: 1, 20: 2, 18000: 1800} {
		a := newAdmission(most, 0)
		for range held {
			require.True(t, a.hold())
		}
		require.False(t, a.hold(), "%d", most)
		a.release()
		require.True(t, a.hold())
	}
}
