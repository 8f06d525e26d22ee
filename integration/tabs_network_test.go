package integration_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// The machine goes offline while events come, and online again.
func TestTabIsOffline(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--insecure-dev")
	tab := openAlice(t, []*node{n})
	events := startLoad(t, 100, func(int) *node { return n }, "user:alice")
	events.awaitMore(50)
	tab.do("offline")
	require.Eventually(t, func() bool { return n.metric("pushstream_connections") == 0 }, patience, glance, "it keeps a connection")
	events.awaitMore(50)
	tab.do("online")
	tab.awaitLive(2)
	events.awaitMore(50)
	tab.requireAllOf(events)
}

// The network takes everything and brings nothing, and no connection ends. Only the silence tells.
func TestTabIsOnADeadLink(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--insecure-dev", "--stream-heartbeat", "1s")
	nginx := applicationBehindNginx(t, []*node{n})
	link := redistest.StartLink(t, strings.TrimPrefix(nginx.URL, "http://"))
	options := aliceOptions()
	options["connectTimeout"] = 2000 // new connections are as dead
	tab := startBrowser(t).open("alice", "alice", "http://"+link.Addr+"/app/", options)
	tab.awaitLive(1)
	events := startLoad(t, 100, func(int) *node { return n }, "user:alice")
	events.awaitMore(50)
	link.Blackhole()
	timeouts := func() int { return tab.count(func(n note) bool { return n.Code == "timeout" && n.Retryable }) }
	tab.await("aware of it, and of another dead connection", func() bool { return timeouts() >= 2 })
	link.Heal()
	tab.awaitLive(2)
	events.awaitMore(50)
	tab.requireAllOf(events)
}

// What was missed is not kept any more. The page is told which targets that concerns, before anything newer, and gets
// what is kept of the others: after an interruption, and when it is loaded again.
func TestTabIsToldOfAGap(t *testing.T) {
	t.Parallel()
	const kept = 3
	for back, leave := range map[string]func(*tab){
		"online": func(tab *tab) { tab.do("offline") },
		"reload": func(tab *tab) { tab.run("stream.close()") },
	} {
		t.Run(back, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev", "--retention-length", strconv.Itoa(kept))
			nginx := applicationBehindNginx(t, []*node{n})
			options := aliceOptions()
			options["topics"] = []string{"news"}
			tab := startBrowser(t).open("alice", "alice", nginx.URL+"/app/", options)
			tab.awaitLive(1)
			tab.awaitEvent(n.publish(orderEvent("user:alice", 0)).ID)

			leave(tab)
			require.Eventually(t, func() bool { return n.metric("pushstream_connections") == 0 }, patience, glance)
			for i := range 3 * kept {
				n.publish(orderEvent("user:alice", 1+i))
			}
			news := n.publish(orderEvent("topic:news", 100)).ID
			before := len(tab.notes)
			tab.do(back)
			tab.awaitLive(2)
			newer := n.publish(orderEvent("user:alice", 200)).ID
			tab.awaitEvent(newer)

			told := tab.notes[before:]
			at := slices.IndexFunc(told, hasGap)
			require.GreaterOrEqual(t, at, 0, "%+v", told)
			require.Equal(t, []string{"user:alice"}, told[at].Targets)
			require.Equal(t, "trimmed", told[at].Reason)
			require.Equal(t, 1, tab.count(hasGap))
			require.Less(t, at, slices.IndexFunc(told, func(n note) bool { return n.Kind == "event" }), "told late")
			require.Equal(t, []message{orderMessage(news, 100), orderMessage(newer, 200)}, tab.events()[1:])
		})
	}
}

// orderMessage is what a handler gets of orderEvent: JSON that has been through a program has no spaces.
func orderMessage(id string, n int) message {
	return message{ID: id, Type: "order.created", Data: string(compact(json.RawMessage(order(n))))}
}
