package sse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// What this package has to fit, without importing it.
var (
	_ store.Stream   = (*sse.Hijacked)(nil)
	_ store.Stream   = (*sse.Response)(nil)
	_ store.Frame    = (*sse.Frame)(nil)
	_ store.Controls = sse.Controls{}
	_ sse.Owner      = (*store.Conn)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(tb testing.TB, s string) event.Position {
	tb.Helper()
	if s == "" {
		return event.Position{}
	}
	p, err := event.ParsePosition(s)
	require.NoError(tb, err)
	return p
}

func target(tb testing.TB, s string) event.Target {
	tb.Helper()
	v, err := event.ParseTarget(s)
	require.NoError(tb, err)
	return v
}

func happened(tb testing.TB, name, data, meta string) event.Event {
	tb.Helper()
	ev := event.Event{Time: time.Date(2026, 2, 3, 4, 5, 6, 78e6, time.UTC)}
	var err error
	ev.Type, err = event.ParseType(name)
	require.NoError(tb, err)
	ev.Data, err = event.ParseJSON([]byte(data))
	require.NoError(tb, err)
	if meta != "" {
		ev.Meta, err = event.ParseObject([]byte(meta))
		require.NoError(tb, err)
	}
	return ev
}
