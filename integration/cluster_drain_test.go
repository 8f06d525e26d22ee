package integration_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// All readers of a node that is stopped go on where they were, on the others.
func TestDrainMovesReadersToOtherNodes(t *testing.T) {
	t.Parallel()
	const count, window = 200, time.Second
	c := startCluster(t, redistest.Start(t), "--stream-retry", "200ms", "--drain-window", window.String(), "--retention-length", "10000")
	for i := range c.nodes[1:] { // so that the first gets all readers
		c.nodes[1+i].stop()
	}
	readers := make([]*reader, count)
	for i := range readers { // without a proxy of their own
		readers[i] = &reader{name: "go-sse", targets: []string{"topic:news"}, controls: make(map[string]int), proxy: &proxy{URL: c.nginx.URL}}
	}
	withGoSSE(t, nil, readers...)
	allOf(t, readers, "subscribed", established)
	require.InDelta(t, count, c.nodes[0].metric("pushstream_connections"), 0)
	for i, name := range []string{"two", "three"} {
		c.nodes[1+i] = restart(t, c.nodes[1+i])
		c.awaitTurn(name)
	}

	events := startLoad(t, 50, func(int) *node { return c.nginx }, "topic:news")
	events.awaitMore(25)
	c.nodes[0].signal(syscall.SIGTERM)
	require.Zero(t, c.nodes[0].exitCode())
	allOf(t, readers, "back", func(r *reader) bool { return r.hellos() >= 2 })
	events.awaitMore(25)
	all := events.stop()
	c.nginx.publish(`{"target": "topic:news", "type": "` + endType + `", "data": null}`)
	allOf(t, readers, "at the end", func(r *reader) bool { return r.last() == endType })
	require.InDelta(t, count, c.nodes[1].metric("pushstream_connections")+c.nodes[2].metric("pushstream_connections"), 0)
	require.Positive(t, c.nodes[1].metric("pushstream_connections"))
	require.Positive(t, c.nodes[2].metric("pushstream_connections"))

	var wrong tally
	told := 0
	for _, r := range readers {
		got, faults := r.received()
		told += len(faults)
		for _, fault := range faults { // more than one for who came back too soon, while the node was there to say so
			require.Contains(t, fault, `pushstream.bye {"reason":"draining"`)
		}
		require.NotEmpty(t, faults)
		require.Equal(t, 2, r.hellos())
		wrong = wrong.plus(tallyOf(t, got[:len(got)-1], all))
	}
	t.Logf("%d readers moved, %d goodbyes, %d events each, answers to publishes that had to be repeated: %v: %+v", count, told, len(all), events.refused(), wrong)
	require.Equal(t, tally{}, wrong)
}
