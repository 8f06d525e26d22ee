package integration_test

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// hostFaults are those of real networks: packets are lost, and nobody is told.
func hostFaults() []fault {
	return []fault{
		{name: "cable of a node pulled", does: "no packet reaches or leaves a node for a while", in: within(kept, "hosts"), lasts: 5 * time.Second, harm: pullNode},
		{
			name: "half-open node", does: "no packet reaches a node, but its own arrive: neither end of a connection knows",
			in: within(kept, "hosts"), lasts: 5 * time.Second, harm: halfOpenNode,
		},
		{name: "cable of Redis pulled", does: "no packet reaches or leaves Redis for a while", in: within(kept, "Redis apart"), lasts: 4 * time.Second, harm: pullRedis},
		{
			name: "readers vanish", does: "twenty more readers lose their network without a FIN, behind a balancer; their streams end with stream.max_age",
			in: within(kept, "nginx, short streams", "haproxy, short streams"), harm: vanish,
		},
	}
}

func pullNode(w *world, s step) harmed     { return loseOfNode(w, s, w.host.Cut) }
func halfOpenNode(w *world, s step) harmed { return loseOfNode(w, s, w.host.DropIncoming) }

func loseOfNode(w *world, s step, lose func()) harmed {
	h := harmed{since: w.Now()}
	w.silent = w.nodes[w.setting.apart]
	lose()
	pause(w.t, s.lasts())
	w.host.Mend()
	w.silent = nil
	incoming, outgoing := w.host.Lost()
	h.evidence = evidence(int(incoming), "%d packets lost to it and %d from it", outgoing)
	return h
}

func pullRedis(w *world, s step) harmed {
	host, doubts := w.store.host, count(w.doubts)
	host.Cut()
	pause(w.t, s.lasts())
	host.Mend()
	h := harmed{since: w.Now()}
	incoming, outgoing := host.Lost()
	if incoming > 0 && outgoing > 0 {
		h.evidence = evidence(w.awaitGrowth(doubts), "%d relays in doubt, %d packets lost to it and %d from it", incoming, outgoing)
	}
	return h
}

func vanish(w *world, _ step) harmed {
	const vanishing = 20
	host := redistest.StartHost(w.t)
	connections := func() int { return w.sum("pushstream_connections") }
	all := len(w.subscribers) + vanishing
	var readers []*process
	for i := range vanishing {
		url := fmt.Sprintf("%s/events?user=vanishing-%d&topic=t0", w.front.URL, i)
		readers = append(readers, startProcess(w.t, host.Command("curl", "-sN", url), func(string) {}))
	}
	require.Eventually(w.t, func() bool { return connections() >= all }, patience, 20*time.Millisecond)
	host.Cut()
	for _, r := range readers {
		r.kill()
	}
	h := harmed{since: w.Now()}
	w.awaitBack(h.since)
	left := connections() - len(w.subscribers)
	incoming, _ := host.Lost()
	require.Eventually(w.t, func() bool { return connections() <= len(w.subscribers) }, patience, 50*time.Millisecond,
		"streams of readers that have vanished do not end")
	if left > vanishing/2 {
		h.evidence = evidence(int(incoming), "%d packets lost to them, and %d streams went on for nobody; the last one ended after %.1f s", left, (w.Now() - h.since).Seconds())
	}
	return h
}
