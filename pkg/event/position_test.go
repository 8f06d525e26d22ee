package event_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

func position(t *testing.T, s string) event.Position {
	t.Helper()
	p, err := event.ParsePosition(s)
	require.NoError(t, err)
	return p
}

func TestParsePosition(t *testing.T) {
	t.Parallel()
	p := position(t, "a1.1770091506078-3")
	require.Equal(t, "a1", p.Timeline())
	require.Equal(t, uint64(1770091506078), p.Millis())
	require.Equal(t, uint64(3), p.Seq())
	require.Equal(t, time.Date(2026, 2, 3, 4, 5, 6, 78e6, time.UTC), p.Time())
	require.False(t, p.IsZero())
	for _, s := range []string{
		"a1.1770091506078-3", "0.0-0", "Zz9.10-0", "a.0-18446744073709551615",
		strings.Repeat("z", event.MaxTimeline) + ".9007199254740991-18446744073709551615",
	} {
		require.Equal(t, s, position(t, s).String())
		require.Equal(t, "x"+s, string(position(t, s).AppendTo([]byte("x"))))
		require.LessOrEqual(t, len(s), 128, "a longer one costs browsers a preflight")
	}
	for _, s := range []string{
		"", ".", "-", ".-", "a", "a.1", "a-1", "1-1", "a.-", "a.1-", "a.-1", ".1-1", "a.1-1-1", "a.b.1-1", "a.1.1-1",
		"a.01-1", "a.1-01", "a.00-0", "a.+1-1", "a.1-+1", "a.-1-1", "a.1--1", "a.1_0-1", "a.0x1-1", "a.1e3-1", "a.1-1 ", " a.1-1", "a.1 -1",
		"a.1-1\n", "a.1-\x00", "\r.1-1", "a_.1-1", "\u00e9.1-1", "a.\u0661-1",
		"a.9007199254740992-0", "a.18446744073709551616-0", "a.1-18446744073709551616",
		strings.Repeat("z", event.MaxTimeline+1) + ".1-1", strings.Repeat("1", 10_000),
	} {
		p, err := event.ParsePosition(s)
		require.ErrorIs(t, err, event.ErrInvalid, "%.50q", s)
		require.True(t, p.IsZero())
		require.Less(t, len(err.Error()), 200)
	}
}

func TestNewPosition(t *testing.T) {
	t.Parallel()
	p, err := event.NewPosition("t", 5, 6)
	require.NoError(t, err)
	require.Equal(t, position(t, "t.5-6"), p, "positions are comparable")
	for _, timeline := range []string{"", "a.b", "a-b", "\n", strings.Repeat("t", event.MaxTimeline+1)} {
		_, err = event.NewPosition(timeline, 1, 1)
		require.ErrorIs(t, err, event.ErrInvalid, "%q", timeline)
	}
	for _, millis := range []uint64{1 << 53, math.MaxUint64} {
		_, err = event.NewPosition("t", millis, 0)
		require.ErrorIs(t, err, event.ErrInvalid, strconv.FormatUint(millis, 10))
	}
}

func TestPositionOrder(t *testing.T) {
	t.Parallel()
	zero := event.Position{}
	ordered := []event.Position{
		zero, position(t, "z.0-0"), position(t, "b.0-1"), position(t, "z.9-5"), position(t, "a.9-10"), position(t, "z.10-0"), position(t, "a.100-0"),
	}
	for i, p := range ordered {
		for j, q := range ordered {
			require.Equal(t, i > j, p.After(q), "%s after %s", p, q)
			require.Equal(t, i > j, p.Compare(q) > 0)
			require.Equal(t, i < j, p.Compare(q) < 0)
			require.Equal(t, ordered[max(i, j)], p.Later(q))
		}
	}
	require.True(t, slices.IsSortedFunc(ordered, event.Position.Compare))

	a, b := position(t, "a.5-5"), position(t, "b.5-5")
	require.Zero(t, a.Compare(b), "the timeline is no part of the order")
	require.NotEqual(t, a, b)
	require.Equal(t, a, a.Later(b))
	require.Equal(t, b, b.Later(a))

	require.True(t, zero.IsZero())
	require.Empty(t, zero.String())
	require.Nil(t, zero.AppendTo(nil))
}

func BenchmarkPosition(b *testing.B) {
	const s = "a1.1770091506078-3"
	p, err := event.ParsePosition(s)
	require.NoError(b, err)
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := event.ParsePosition(s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		room := make([]byte, 0, 64)
		for b.Loop() {
			room = p.AppendTo(room[:0])
		}
	})
}
