package integration_test

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
)

func readerFaults() []fault {
	patient := within(kept, "embedded", "always", "nginx", "haproxy", "cluster")
	return []fault{
		{name: "stalled readers", does: "two of six read nothing until more has come than fits on the way to them, and then go on", in: patient, lasts: time.Second, harm: stallSubscribers, alone: true, own: true},
		{
			name: "slow readers", does: "two of six read 200 kB a second while 36 MB are published, and then as fast as before",
			in: map[string]promise{"always": kept, "short logs": exact}, lasts: 2 * time.Second, harm: slowSubscribers, alone: true, own: true,
		},
		{
			name: "readers away", does: "two of six hang up, and come back when their logs have been trimmed (retention.length)",
			in: within(exact, "short logs"), lasts: time.Second, harm: sendSubscribersAway,
		},
		{
			name: "log trimmed under readers", does: "XTRIM by hand of logs that two of six are behind in",
			in: within(exact, "always"), harm: trimUnderSubscribers, alone: true,
		},
		{
			name: "reconnect storm", does: "SIGKILL to a node with a third of 1500 readers, which all come back to the others at once",
			in: within(kept, "always", "haproxy"), lasts: time.Second, harm: storm, alone: true,
		},
	}
}

// some are the subscribers that something is done to.
func (w *world) some() []*subscriber { return w.subscribers[:2] }

func (w *world) replayed() int { return w.sum("pushstream_events_replayed_total") }

func stallSubscribers(w *world, s step) harmed {
	replayed := count(w.replayed)
	for _, one := range w.some() {
		one.stalled.Store(true)
	}
	behind := func() int { return w.sum("pushstream_connections_catching_up") }
	for range 8 { // how much fits into all the buffers on the way is the kernel's and the balancer's to choose
		if w.flood(12); behind() >= len(w.some()) {
			break
		}
	}
	pause(w.t, s.lasts())
	for _, one := range w.some() {
		one.stalled.Store(false)
	}
	h := harmed{since: w.Now()}
	w.awaitBack(h.since)
	h.evidence = evidence(replayed(), "%d events read from the logs for them")
	return h
}

func slowSubscribers(w *world, s step) harmed {
	replayed, gaps := count(w.replayed), count(w.gapsTold)
	for _, one := range w.some() {
		one.perSecond.Store(200 << 10)
	}
	w.flood(36)
	pause(w.t, s.lasts())
	for _, one := range w.some() {
		one.perSecond.Store(0)
	}
	h := harmed{since: w.Now()}
	w.awaitBack(h.since)
	w.awaitGrowth(func() int { return replayed() + gaps() })
	h.evidence = evidence(replayed()+gaps(), "%d events read from the logs for them and gaps told, %d of them gaps", gaps())
	return h
}

func sendSubscribersAway(w *world, s step) harmed {
	gaps := count(w.gapsTold)
	for _, one := range w.some() {
		one.away.Store(true)
		one.hangUp()
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	for i := range 2 * w.pace.topics {
		require.Equal(w.t, 300, w.attempt(client, w.door(), "", slices.Repeat([]string{w.topic(i)}, 300)...))
	}
	pause(w.t, s.lasts())
	for _, one := range w.some() {
		one.away.Store(false)
	}
	h := harmed{since: w.Now()}
	w.awaitBack(h.since)
	h.evidence = evidence(gaps(), "%d gaps told")
	return h
}

func (w *world) gapsTold() int { return w.sum(`pushstream_gaps_told_total{reason="trimmed"}`) }

func trimUnderSubscribers(w *world, _ step) harmed {
	gaps := count(w.gapsTold)
	for _, one := range w.some() {
		one.perSecond.Store(200 << 10)
	}
	w.flood(36)
	for i := range w.pace.topics {
		w.store.server().Do("XTRIM", keyName(logName(w.topic(i))), "MAXLEN", "3")
	}
	for _, one := range w.some() {
		one.perSecond.Store(0)
	}
	h := harmed{since: w.Now()}
	w.awaitBack(h.since)
	h.evidence = evidence(gaps(), "%d gaps told")
	return h
}

func storm(w *world, s step) harmed {
	const readers, topics = 1500, 50
	for i := range readers {
		// Few events for each of so many, or it would be a test of the machine.
		w.subscribe(fmt.Sprint("topic:storm", i%topics))
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	round := func() {
		targets := make([]string, topics)
		for i := range targets {
			targets[i] = fmt.Sprint("topic:storm", i)
		}
		w.attempt(client, w.door(), "", targets...)
	}
	began := w.Now()
	rounds := func(since time.Duration) {
		require.Eventually(w.t, func() bool {
			round()
			_, back := w.Back(since)
			return back
		}, patience, 200*time.Millisecond, "not every reader of the storm is served")
	}
	rounds(began)
	ended := count(w.Ended)
	h := harmed{since: w.Now()}
	w.nodes[s.Node].kill()
	rounds(h.since)
	w.nodes[s.Node] = restart(w.t, w.nodes[s.Node])
	if n := ended(); n > readers/10 {
		h.evidence = evidence(n, "%d streams ended at once")
	}
	return h
}
