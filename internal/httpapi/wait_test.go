package httpapi_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/httpapi"
)

func TestWaitForStreams(t *testing.T) {
	n := newNode(t)
	api := httpapi.New(testConfig(), n.broker, development(), n.health, slog.New(slog.DiscardHandler), noMetrics{})
	n.serveAPI(t, api)
	require.NoError(t, api.Wait(t.Context()), "there are none")
	first, _ := n.live(t, "user=alice")
	second, _ := n.live(t, "user=alice")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, api.Wait(ended), context.Canceled)
	require.ErrorContains(t, api.Wait(ended), "wait for 2 streams: ")

	waited := make(chan error, 1)
	go func() { waited <- api.Wait(t.Context()) }() // joined below
	first.close()
	require.Eventually(t, func() bool { return n.broker.Connections() == 1 }, patience, time.Millisecond)
	require.Empty(t, waited)
	second.close()
	require.NoError(t, <-waited)
}
