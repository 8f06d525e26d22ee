package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// Eight tabs of a browser that speaks HTTP/1.1 have one connection, and each what it reads. The tab that has it is closed,
// and the one that has it then crashes, while events come.
func TestTabsShareAConnection(t *testing.T) {
	t.Parallel()
	nodes := startThree(t, "--redis", redistest.Start(t).URL())
	nginx := applicationBehindNginx(t, nodes)
	connections := func() (count int) {
		for _, n := range nodes {
			count += int(n.metric("pushstream_connections"))
		}
		return count
	}
	b := startBrowser(t)
	tabs := make([]*tab, 8)
	for i := range tabs {
		options := aliceOptions()
		options["key"], options["topics"] = "alice", []string{fmt.Sprintf("own-%d", i%4)}
		tabs[i] = b.open("alice", fmt.Sprintf("tab %d", i), nginx.URL+"/app/", options)
		tabs[i].awaitLive(1)
	}
	require.Eventually(t, func() bool { return connections() == 1 }, patience, glance)
	// It does not tell everybody that it is live, but everybody gets what comes.
	first := nodes[0].publish(orderEvent("user:alice", 1_000_000)).ID
	skip := make(map[*tab]int)
	for _, tab := range tabs {
		tab.awaitEvent(first)
		skip[tab] = len(tab.notes)
	}
	// There is a connection left for anything else.
	require.Equal(t, "200", string(tabs[7].run(`fetch('./').then((response) => response.status)`)))

	events := startLoad(t, 100, func(n int) *node { return nodes[n%3] }, "user:alice", "topic:own-1", "topic:own-2")
	for i, end := range []string{"close", "crash"} { // the one that was first has the connection
		events.awaitMore(100)
		tabs[i].do(end)
		events.awaitMore(100)
		require.Eventually(t, func() bool { return connections() == 1 }, patience, glance)
	}
	all := events.stop()
	last := nodes[0].publish(orderEvent("user:alice", 1_000_001)).ID
	for i, tab := range tabs[2:] {
		tab.awaitEvent(last)
		mine := forTargets(all, "user:alice", fmt.Sprintf("topic:own-%d", (i+2)%4))
		tab.notes = tab.notes[skip[tab]:]
		tab.requireAll(append(mine, orderFor(last, 1_000_001)))
	}
	require.Equal(t, 1, connections())
}
