package integration_test

import (
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// atOnce is what a block takes at most, unless the machine is busy with something else.
	atOnce = 500 * time.Millisecond
	// beforeAPing is what it never takes: the next block would come with a ping.
	beforeAPing = 10 * time.Second
)

func TestBalancerPassesOnAtOnce(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			nodes := startThree(t)
			front := b.start(t, b.read(t), nodes)
			var took []time.Duration
			// Most of what buffers does so because it compresses.
			for _, encoding := range []string{"", "gzip, deflate, br"} {
				begun := time.Now()
				v := newVisitor(t, front.URL).opens("user=alice", "Accept-Encoding: "+encoding)
				took = append(took, time.Since(begun))
				require.Empty(t, v.header.Get("Content-Encoding"))
				v.await(2) // hello, live
				for i := range 5 {
					begun = time.Now()
					for _, n := range nodes { // they do not share events
						n.publish(orderEvent("user:alice", i))
					}
					require.Equal(t, "order.created", v.await(3 + i)[2+i].Type)
					took = append(took, time.Since(begun))
				}
				v.stop()
			}
			slices.Sort(took)
			require.Less(t, took[len(took)/2], atOnce, "%v", took)
			require.Less(t, took[len(took)-1], beforeAPing)
		})
	}
}

// Publishers get the node's answers, to large requests too.
func TestBalancerPassesPublishesOn(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev")
			front := b.start(t, b.read(t), []*node{n})
			require.NotEmpty(t, front.publish(orderEvent("user:alice", 1)).ID)
			publishBatch(t, httpClient, front.node, slices.Repeat([]string{`{"target": "user:bob", "type": "order.created", "data": "` + strings.Repeat("x", 60_000) + `"}`}, 100))
			require.InDelta(t, 101, n.metric("pushstream_events_published_total"), 0)

			out := curl(t, front.URL+"/events", "-H", "Content-Type: application/json", "-d", `{"target": "alice"}`, "-w", "%{http_code} %{content_type}")
			require.Contains(t, out, `"code":"invalid"`)
			require.Contains(t, out, "422 application/problem+json")
		})
	}
}

func TestBalancerPassesCursorsAndQueriesOn(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			front := b.start(t, b.read(t), []*node{startNode(t, "--insecure-dev")})
			first, second := curlPublish(t, front.node, "user:alice", 1), curlPublish(t, front.node, "user:alice", 2)
			for _, v := range []*visit{
				newVisitor(t, front.URL).opens("user=alice", "Last-Event-ID: "+first),
				newVisitor(t, front.URL).opens("user=alice&lastEventId=" + first),
			} {
				blocks := v.await(3)
				require.Equal(t, first, blocks[0].ID)
				require.Equal(t, orderBlock(second, 2), blocks[1])
				require.Equal(t, live, blocks[2].Type)
			}
		})
	}
}

// Otherwise streams of closed tabs would stay until a ping can no longer be written.
func TestBalancerHangsUpWithTheReader(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev")
			front := b.start(t, b.read(t), []*node{n})
			streams := []*visit{newVisitor(t, front.URL).opens("user=alice"), newVisitor(t, front.URL).opens("user=bob")}
			for i, v := range streams {
				v.await(2)
				require.InDelta(t, 2-i, n.metric("pushstream_connections"), 0)
				v.stop()
				left := func() bool { return n.metric("pushstream_connections") == float64(1-i) }
				require.Eventually(t, left, 5*time.Second, 10*time.Millisecond, "the node does not know that the reader is gone")
			}
		})
	}
}

// The heartbeat keeps a stream open that the balancer would end for its silence.
func TestBalancerEndsWhatIsSilent(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			patient, impatient := b.read(t), []string{"60s", "3s"}
			quiet := b.start(t, patient, []*node{startNode(t, "--insecure-dev")}, impatient...) // 15s
			lively := b.start(t, patient, []*node{startNode(t, "--insecure-dev", "--stream-heartbeat", "1s")}, impatient...)
			cut := newVisitor(t, quiet.URL).opens("user=alice")
			kept := newVisitor(t, lively.URL).opens("user=alice")
			select {
			case <-cut.ended:
			case <-time.After(patience):
				require.Fail(t, "a silent stream has not ended")
			}
			enough := func() bool { _, pings := kept.received(); return len(pings) >= 5 }
			require.Eventually(t, enough, patience, 10*time.Millisecond)
			select {
			case <-kept.ended:
				require.Fail(t, "a stream with heartbeats has ended")
			default:
			}
		})
	}
}

// No stream is refused while a node lives, and none is opened at the dead one.
func TestBalancerLeavesOutADeadNode(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			nodes := startThree(t)
			front := b.start(t, b.read(t), nodes)
			var visits []*visit
			for range 6 {
				visits = append(visits, newVisitor(t, front.URL).opens("user=alice"))
			}
			require.Equal(t, map[string]int{"one": 2, "two": 2, "three": 2}, perNode(visits), "who has the fewest streams gets the next one")

			faults := knock(t, front.URL)
			nodes[0].kill()
			for _, v := range visits {
				if v.node == "one" {
					<-v.ended
				}
			}
			for range 20 {
				visits = append(visits, newVisitor(t, front.URL).opens("user=alice"))
				require.NotEmpty(t, front.publish(orderEvent("user:alice", 1)).ID)
			}
			require.Equal(t, 2, perNode(visits)["one"])
			require.Empty(t, faults())

			again := strings.TrimPrefix(nodes[0].URL, "http://")
			startProcess(t, exec.Command(program(t, "./cmd/pushstreamd"), "--listen", again, "--admin", "", "--insecure-dev", "--node", "again"), nil)
			require.Eventually(t, func() bool {
				v := newVisitor(t, front.URL).opens("user=alice")
				defer v.stop()
				return v.node == "again"
			}, patience, 50*time.Millisecond, "a node that is back gets no stream")
		})
	}
}

// A release: nobody sees more of it than a goodbye.
func TestBalancerPassesADrainedNodeBy(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			const delay = 3 * time.Second
			drained := startNode(t, "--insecure-dev", "--node", "drained", "--drain-delay", delay.String())
			front := b.start(t, b.read(t), append(startThree(t)[:2], drained))
			var visits []*visit
			for range 3 {
				visits = append(visits, newVisitor(t, front.URL).opens("user=alice"))
			}
			require.Equal(t, map[string]int{"one": 1, "two": 1, "drained": 1}, perNode(visits))

			faults := knock(t, front.URL)
			signalled := drained.signal(syscall.SIGTERM)
			if b.asksReadyz {
				require.Eventually(t, func() bool {
					var next []*visit
					for range 6 { // two for each, were it not for the drain
						v := newVisitor(t, front.URL).opens("user=alice")
						defer v.stop()
						next = append(next, v)
					}
					return perNode(next)["drained"] == 0
				}, delay, time.Millisecond, "new readers come to a node that is about to go")
				require.Less(t, time.Since(signalled), delay)
			}
			for _, v := range visits {
				if v.node == "drained" {
					<-v.ended
					blocks, _ := v.received()
					require.Equal(t, "pushstream.bye", blocks[len(blocks)-1].Type)
					require.GreaterOrEqual(t, time.Since(signalled), delay)
				}
			}
			require.Zero(t, drained.exitCode())
			require.NotEqual(t, "drained", newVisitor(t, front.URL).opens("user=alice").node)
			require.Empty(t, faults())
		})
	}
}

// A native EventSource survives that there is no node at all; a publisher is told.
func TestBalancerSendsReadersAwayWithoutNodes(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev")
			front := b.start(t, b.read(t), []*node{n})
			newVisitor(t, front.URL).opens("user=alice").stop()
			n.kill()
			reader := []string{"-i", "-H", "Accept: text/event-stream", "-H", "Origin: https://shop.example", front.URL + "/events?user=alice"}
			require.Eventually(t, func() bool { return strings.HasPrefix(curl(t, reader...), "HTTP/1.1 200 ") }, 5*time.Second, 50*time.Millisecond)
			head, body, _ := strings.Cut(curl(t, reader...), "\r\n\r\n")
			require.Regexp(t, `(?i)\r\ncontent-type: text/event-stream(\r|$)`, head)
			require.Regexp(t, `(?i)\r\naccess-control-allow-origin: https://shop\.example(\r|$)`, head)
			require.Regexp(t, `(?i)\r\naccess-control-allow-credentials: true(\r|$)`, head)
			require.Equal(t, "retry: 5000\n\n", body)
			for _, others := range [][]string{
				{front.URL + "/events?user=alice"},
				{front.URL + "/events", "-H", "Accept: text/event-stream", "-H", "Content-Type: application/json", "-d", orderEvent("user:alice", 1)},
			} {
				require.Regexp(t, "50[234]$", curl(t, append(others, "-w", "%{http_code}")...))
			}
		})
	}
}

func TestBalancerWithAffinity(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			nodes := startThree(t)
			front := b.start(t, b.withAffinity(t), nodes)
			alice := newVisitor(t, front.URL)
			home := alice.opens("user=alice")
			for range 5 {
				require.Equal(t, home.node, alice.opens("user=alice").node)
			}
			var others []*visit
			for range 20 {
				others = append(others, newVisitor(t, front.URL).opens("user=bob"))
			}
			require.Len(t, perNode(others), 3, "nobody else has to be there")

			for _, n := range nodes {
				if slices.Contains(n.cmd.Args, home.node) {
					n.kill()
				}
			}
			<-home.ended
			moved := alice.opens("user=alice")
			require.NotEqual(t, home.node, moved.node)
			require.Equal(t, moved.node, alice.opens("user=alice").node)
		})
	}
}

// Browsers need HTTP/2, where many streams share a connection.
func TestBalancerSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev")
			front := b.start(t, strings.ReplaceAll(b.read(t), "# tls: ", ""), []*node{n})
			browser := newVisitor(t, front.secureURL)
			tabs := []*visit{browser.opens("user=alice"), browser.opens("user=alice")}
			for _, tab := range tabs {
				require.Equal(t, "HTTP/2.0", tab.proto)
				tab.await(2)
			}
			begun := time.Now()
			id := curlPublish(t, n, "user:alice", 1)
			for _, tab := range tabs {
				require.Equal(t, orderBlock(id, 1), tab.await(3)[2])
			}
			require.Less(t, time.Since(begun), beforeAPing)

			tabs[0].stop() // the connection stays
			left := func() bool { return n.metric("pushstream_connections") == 1 }
			require.Eventually(t, left, 5*time.Second, 10*time.Millisecond, "the node does not know that the tab is closed")
		})
	}
}
