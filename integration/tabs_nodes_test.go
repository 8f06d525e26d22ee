package integration_test

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// A page is loaded again and again while events come. Between them, the pages have each event once, in order.
func TestTabIsReloaded(t *testing.T) {
	t.Parallel()
	nodes := startThree(t, "--redis", redistest.Start(t).URL())
	tab := openAlice(t, nodes)
	events := startLoad(t, 200, func(n int) *node { return nodes[n%3] }, "user:alice")
	const reloads = 5
	for i := range reloads {
		events.awaitMore(100)
		tab.do("reload")
		tab.awaitLive(i + 2)
	}
	tab.requireAllOf(events)
	require.Equal(t, reloads, tab.count(func(n note) bool { return n.Resumed == "storage" }))
}

// A page is left for another one, and found again by "back", as it was and without having had a connection meanwhile.
func TestTabIsLeftAndFoundAgain(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--insecure-dev")
	tab := openAlice(t, []*node{n})
	events := startLoad(t, 100, func(int) *node { return n }, "user:alice")
	events.awaitMore(50)
	tab.do("away")
	require.Eventually(t, func() bool { return n.metric("pushstream_connections") == 0 }, patience, 10*time.Millisecond)
	events.awaitMore(50)
	tab.do("back")
	tab.awaitLive(2)
	events.awaitMore(50)
	tab.requireAllOf(events)
	kept := slices.IndexFunc(tab.notes, func(n note) bool { return n.Kind == "shown" && n.Persisted })
	require.Positive(t, kept, "the browser did not keep the page")
	require.Equal(t, tab.notes[0].Page, tab.notes[kept].Page)
	require.Equal(t, 1, tab.count(func(n note) bool { return n.Resumed == "memory" }))
}

// The node that has the connection is killed.
func TestTabLosesItsNode(t *testing.T) {
	t.Parallel()
	nodes := startThree(t, "--redis", redistest.Start(t, durable...).URL())
	tab := openAlice(t, nodes)
	addresses := slices.Clone(nodes) // of those that come later, too
	events := startLoad(t, 200, func(n int) *node { return addresses[n%3] }, "user:alice")
	const kills = 3
	for i := range kills {
		events.awaitMore(100)
		at := slices.IndexFunc(nodes, func(n *node) bool { return n.metric("pushstream_connections") == 1 })
		require.GreaterOrEqual(t, at, 0)
		nodes[at].kill()
		tab.awaitLive(i + 2)
		nodes[at] = restart(t, nodes[at])
	}
	tab.requireAllOf(events)
	require.Equal(t, kills, tab.count(func(n note) bool { return n.Resumed == "memory" }))
}

// No node is there for five seconds, and the balancer answers 502. A native EventSource gives up for good; the client asks why,
// and comes back.
func TestTabIsAnswered502(t *testing.T) {
	t.Parallel()
	const away = 5 * time.Second
	nodes := startThree(t, "--redis", redistest.Start(t, durable...).URL())
	// Most files of balancers have nothing for readers in place of the 502.
	tab := openAlice(t, nodes, "error_page 502 504 = @away;", "")
	tab.run(`window.native = new EventSource('/events?user=alice'), null`)
	const native = "['connecting', 'open', 'closed'][native.readyState]"
	tab.awaitValue(native, "open")
	first := nodes[0].publish(orderEvent("user:alice", 1)).ID
	tab.awaitEvent(first)

	for _, n := range nodes {
		n.kill()
	}
	gone := time.Now()
	is502 := func(n note) bool { return n.Code == "unavailable" && n.Status == 502 && n.Retryable }
	tab.await("told of a 502 for long enough", func() bool { return time.Since(gone) > away && tab.count(is502) > 1 })
	nodes[1] = restart(t, nodes[1])
	second := nodes[1].publish(orderEvent("user:alice", 2)).ID
	tab.awaitLive(2)
	tab.awaitEvent(second)
	tab.requireAll([]published{orderFor(first, 1), orderFor(second, 2)})
	tab.awaitValue(native, "closed")
	last := 0
	for _, n := range tab.notes {
		if is502(n) {
			last = max(last, int(n.At-gone.UnixMilli()))
		}
	}
	t.Logf("502 %d times, the last one after %d ms", tab.count(is502), last)
}

func orderFor(id string, n int) published {
	return published{id: id, kind: "order.created", data: []byte(order(n))}
}

// Three nodes are replaced one after the other under 50 people with a browser each. Each of them has each event once, in
// order, and they come back spread over the time that nodes give them.
func TestRollingRestartOf50Browsers(t *testing.T) {
	const people, window = 50, 4 * time.Second
	nodes := startThree(t, "--redis", redistest.Start(t).URL(), "--drain-window", window.String(), "--retention-length", "10000")
	nginx := applicationBehindNginx(t, nodes)
	began := time.Now()
	b := startBrowser(t, "crowd")
	tabs := make([]*tab, people)
	for i := range tabs {
		name := fmt.Sprintf("person %d", i)
		tabs[i] = b.open(name, name, nginx.URL+"/app/", map[string]any{"url": "/events?user=" + strconv.Itoa(i), "topics": []string{"news"}})
	}
	for _, tab := range tabs {
		tab.awaitLive(1)
	}
	t.Logf("%d browsers are there after %v", people, time.Since(began).Round(time.Millisecond))
	events := startLoad(t, 10, func(int) *node { return nginx }, "topic:news")

	var left, back []float64 // milliseconds since SIGTERM
	for i, n := range nodes {
		readers := int(n.metric("pushstream_connections"))
		require.Positive(t, readers, "a node without readers proves nothing")
		before := make([]int, people)
		require.NoError(t, lookAt(tabs))
		for j, tab := range tabs {
			before[j] = len(tab.notes)
		}
		signalled := n.signal(syscall.SIGTERM).UnixMilli()
		require.Zero(t, n.exitCode())
		nodes[i] = restart(t, n)
		var leaving, returning []float64
		require.Eventually(t, func() bool {
			leaving, returning = nil, nil
			if lookAt(tabs) != nil {
				return false
			}
			for j, tab := range tabs {
				news := tab.notes[before[j]:]
				if first := slices.IndexFunc(news, func(n note) bool { return n.Phase == "waiting" }); first >= 0 {
					leaving = append(leaving, float64(news[first].At-signalled))
				}
				if last := slices.IndexFunc(news, hasLive); last >= 0 {
					returning = append(returning, float64(news[last].At-signalled))
				}
			}
			return len(returning) == readers
		}, patience, 100*time.Millisecond, "not all are back")
		require.Len(t, leaving, readers)
		left, back = append(left, leaving...), append(back, returning...)
	}
	all := events.stop()
	for _, tab := range tabs {
		tab.awaitEvent(all[len(all)-1].id)
		tab.requireAll(all)
		require.Zero(t, tab.count(func(n note) bool { return n.Kind == "error" }), "a goodbye is no error")
	}
	// 500 readers a second may come back, so these are told a time within one second. nginx, which does not ask whether a node is
	// ready, gives some to the one that leaves, and they are told again.
	histogram(t, "goodbyes, ms", left, float64(window.Milliseconds()))
	shares := histogram(t, "back, ms", back, 10_000)
	require.Less(t, slices.Max(shares), 0.45*float64(len(back)))
}
