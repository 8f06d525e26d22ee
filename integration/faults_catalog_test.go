package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// promise is what is promised of a fault.
type promise string

const (
	// kept: every subscriber has everything, and no gap is told.
	kept promise = "kept"
	// told: of what is lost, or may be, subscribers are told before anything newer.
	told promise = "told"
	// proven: the same, as soon as the loss is proven, which may be after something newer.
	proven promise = "told when proven"
	// exact: of what is lost they are told, and of nothing else.
	exact promise = "told exactly"
)

// fault is a kind of harm.
type fault struct {
	name string
	// does is what the matrix says of it.
	does string
	// in are the settings in which it can be done, with what is promised there.
	in map[string]promise
	// lasts is how long it does harm, where that can be chosen.
	lasts time.Duration
	// costs is about how long it takes besides.
	costs time.Duration
	harm  func(*world, step) harmed
	// alone says that it needs a world of its own, because of what it leaves behind or of what it costs.
	alone bool
	// own says that readers have themselves fallen behind: they are back when they have read what they missed.
	own bool
}

// step is a fault in a schedule.
type step struct {
	Fault string `json:"fault"`
	// Node is the one that is harmed, where it is one.
	Node int `json:"node"`
	// Millis is how long it is harmed.
	Millis int `json:"ms"`
}

func (s step) lasts() time.Duration { return time.Duration(s.Millis) * time.Millisecond }

// harmed is what became of a fault.
type harmed struct {
	// evidence is what shows that it did harm; empty if nothing does.
	evidence string
	// since is the time of the record from which on delivery has to come back.
	since time.Duration
}

// everywhere are the settings with several nodes, except those for one fault: for what nobody is to notice.
func everywhere() map[string]promise {
	return within(kept, "always", "everysec", "memory", "links", "nginx", "haproxy", "sentinel", "sentinel, level replica", "cluster", "cluster, level replica")
}

func within(p promise, names ...string) map[string]promise {
	in := make(map[string]promise)
	for _, name := range names {
		in[name] = p
	}
	return in
}

func faults() []fault {
	return slices.Concat(nodeFaults(), relayFaults(), linkFaults(), hostFaults(), redisFaults(), failovers(), readerFaults())
}

func nodeFaults() []fault {
	restarted := everywhere()
	restarted["embedded"] = told
	frozen := everywhere()
	delete(frozen, "nginx")
	return []fault{
		{name: "node killed", does: "SIGKILL to a node, which is started again a second later", in: restarted, lasts: time.Second, harm: killNode},
		{name: "node stopped", does: "SIGTERM to a node, which is started again when it has drained", in: everywhere(), harm: stopNode},
		{name: "rolling restart", does: "SIGTERM to all nodes, one after the other, each started again before the next", in: everywhere(), harm: rollNodes},
		{name: "node frozen", does: "SIGSTOP to a node: its connections stay, and nobody answers; then SIGCONT", in: frozen, lasts: 6 * time.Second, harm: freezeNode},
		{
			name: "node frozen behind nginx", does: "the same; nginx asks no node whether it lives and may send readers to it again and again, so that the time counts from SIGCONT",
			in: within(kept, "nginx"), lasts: 6 * time.Second, harm: freezeNode,
		},
	}
}

// count returns a function that returns how much a number has grown since.
func count(of func() int) (since func() int) {
	before := of()
	return func() int { return of() - before }
}

// sum adds up a metric of all nodes that answer.
func (w *world) sum(metric string) (total int) {
	for _, n := range w.nodes {
		if n != w.silent {
			total += int(max(0, n.metric(metric))) // NaN is 0
		}
	}
	return total
}

// evidence says what has happened of several things; empty unless the first one has.
func evidence(first int, format string, args ...any) string {
	if first <= 0 {
		return ""
	}
	return fmt.Sprintf(format, append([]any{first}, args...)...)
}

// awaitGrowth waits for something that harm brings about, as long as it may take.
func (w *world) awaitGrowth(since func() int) int {
	w.t.Helper()
	deadline := time.Now().Add(patience / 3)
	for since() <= 0 && time.Now().Before(deadline) {
		pause(w.t, 10*time.Millisecond)
	}
	return since()
}

func killNode(w *world, s step) harmed {
	ended, refused := count(w.Ended), count(w.Refused)
	h := harmed{since: w.Now()}
	w.nodes[s.Node].kill()
	pause(w.t, s.lasts())
	w.nodes[s.Node] = restart(w.t, w.nodes[s.Node])
	if len(w.nodes) == 1 {
		h.since = w.Now() // there was nobody else
	}
	w.awaitGrowth(func() int { return ended() + refused() })
	h.evidence = evidence(ended()+refused(), "%d streams ended and publishes failed, %d of them publishes", refused())
	return h
}

func stopNode(w *world, s step) harmed {
	ended, refused := count(w.Ended), count(w.Refused)
	h := harmed{since: w.Now()}
	w.nodes[s.Node] = replace(w.t, w.nodes[s.Node], w.nodes[s.Node].cmd.Path)
	w.awaitGrowth(func() int { return ended() + refused() })
	h.evidence = evidence(ended()+refused(), "%d streams ended and publishes failed, %d of them publishes", refused())
	return h
}

func rollNodes(w *world, _ step) harmed {
	ended, refused := count(w.Ended), count(w.Refused)
	h := harmed{since: w.Now()}
	for i, n := range w.nodes {
		w.nodes[i] = replace(w.t, n, n.cmd.Path)
	}
	if all := ended(); all >= len(w.subscribers) {
		h.evidence = evidence(all, "%d streams ended, %d publishes failed", refused())
	}
	return h
}

func freezeNode(w *world, s step) harmed {
	n := w.nodes[s.Node]
	ended, refused := count(w.Ended), count(w.Refused)
	h := harmed{since: w.Now()}
	n.signal(syscall.SIGSTOP)
	w.silent = n
	pause(w.t, s.lasts())
	h.evidence = evidence(ended()+refused(), "%d streams given up and publishes failed")
	n.signal(syscall.SIGCONT)
	w.silent = nil
	if w.setting.front == "nginx" {
		h.since = w.Now()
	}
	return h
}

func relayFaults() []fault {
	return []fault{
		{
			name: "relay connections killed", does: "CLIENT KILL of all connections that relay", in: everywhere(),
			harm: func(w *world, _ step) harmed { return killClients(w, "pubsub") },
		},
		{
			name: "command connections killed", does: "CLIENT KILL of all connections that send commands", in: everywhere(),
			harm: func(w *world, _ step) harmed { return killClients(w, "normal") },
		},
		{
			name: "relay buffer overflow", does: "a node does not read its relay until Redis ends the connection for what has piled up (client-output-buffer-limit)",
			in: within(kept, "always", "memory"), lasts: 2 * time.Second, harm: overflowRelay,
		},
	}
}

func killClients(w *world, kind string) harmed {
	doubts := count(w.doubts)
	h := harmed{since: w.Now()}
	killed, ok := w.store.server().Do("CLIENT", "KILL", "TYPE", kind).(int64)
	require.True(w.t, ok)
	if kind == "pubsub" {
		if noticed := w.awaitGrowth(doubts); noticed > 0 {
			h.evidence = evidence(int(killed), "%d connections killed, %d relays in doubt", noticed)
		}
		return h
	}
	h.evidence = evidence(int(killed), "%d connections killed")
	return h
}

// doubts returns how often relays of all nodes could not be vouched for.
func (w *world) doubts() int { return w.sum(`pushstream_doubts_total{cause="relay"}`) }

func overflowRelay(w *world, s step) harmed {
	server, n := w.store.server(), w.nodes[s.Node]
	server.Do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
	defer server.Do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 256mb 64mb 60")
	relays := count(func() int { return strings.Count(fmt.Sprint(server.Do("CLIENT", "LIST", "TYPE", "pubsub")), "\n") })
	n.signal(syscall.SIGSTOP)
	w.silent = n
	w.flood(16)
	pause(w.t, s.lasts())
	ended := -relays()
	n.signal(syscall.SIGCONT)
	w.silent = nil
	return harmed{since: w.Now(), evidence: evidence(ended, "%d relay ended by Redis, with all that was waiting")}
}

func linkFaults() []fault {
	return []fault{
		{name: "link cut", does: "all connections of a node to Redis are reset", in: within(kept, "links"), harm: cutLink},
		{name: "link black hole", does: "nothing passes between a node and Redis, and all connections stay open", in: within(kept, "links"), lasts: 4 * time.Second, harm: blackHole},
		{name: "link delay", does: "all that passes between a node and Redis arrives 300 ms later, each way", in: within(kept, "links"), lasts: 4 * time.Second, harm: delayLink},
	}
}

func cutLink(w *world, s step) harmed {
	doubts := count(w.doubts)
	h := harmed{since: w.Now()}
	w.store.links[s.Node].Cut()
	h.evidence = evidence(w.awaitGrowth(doubts), "%d relay in doubt")
	return h
}

func blackHole(w *world, s step) harmed {
	doubts, link := count(w.doubts), w.store.links[s.Node]
	link.Blackhole()
	pause(w.t, s.lasts())
	link.Heal()
	return harmed{since: w.Now(), evidence: evidence(w.awaitGrowth(doubts), "%d relay in doubt")}
}

func delayLink(w *world, s step) harmed {
	link := w.store.links[s.Node]
	h := harmed{since: w.Now()}
	link.Delay(300 * time.Millisecond)
	pause(w.t, s.lasts())
	slow := w.nodes[s.Node].metric("pushstream_redis_relay_latency_seconds_sum")
	link.Delay(0)
	h.evidence = evidence(int(slow*1000), "canaries took %d ms in all")
	return h
}
