package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/integration/history"
	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/event"
)

// pace is how much goes on in a world.
type pace struct {
	// publishers each have one request under way at a time, with batch events.
	publishers, batch int
	// rate is the most events a second of all publishers.
	rate int
	// topics are what is published to by turns, and subscribers read two of them each.
	topics, subscribers int
}

var (
	// walking disturbs nobody: what a row of the matrix needs.
	walking = pace{publishers: 3, batch: 5, rate: 300, topics: 6, subscribers: 6}
	// brisk is the same for a machine that does nothing else.
	brisk = pace{publishers: 3, batch: 20, rate: 2000, topics: 6, subscribers: 6}
	// running is about what two cores do beside the checker.
	running = pace{publishers: 4, batch: 100, rate: 9_000, topics: 6, subscribers: 6}
)

// world is a deployment that harm is done to: nodes on a store, those who publish and read there, and the record of what
// they saw. Harm is done by the goroutine of the test alone.
type world struct {
	*history.History

	t       *testing.T
	setting setting
	store   *store
	nodes   []*node
	front   *node           // the balancer, if any
	host    *redistest.Host // that of the node that is apart, if any
	doors   []string
	pace    pace

	subscribers []*subscriber
	quiet       chan struct{} // closed when nobody shall publish any more
	publishers  sync.WaitGroup
	silent      *node // the one that does not answer at present, if any
}

// newWorld starts a deployment and its load, and waits until every subscriber gets events.
func newWorld(t *testing.T, s setting, p pace) *world {
	t.Helper()
	w := &world{History: history.New(), t: t, setting: s, pace: p, quiet: make(chan struct{})}
	w.store = s.store(t)
	for i := range s.nodes {
		args := []string{
			"--insecure-dev", "--node", fmt.Sprint("node", i+1), "--stream-heartbeat", heartbeat.String(), "--publish-timeout", "2s",
			"--drain-window", "1s", "--retention-length", "50000", "--limits-bodies-bytes", "64MiB",
		}
		if w.store.url != nil {
			args = append(args, "--redis", w.store.url(i))
		}
		args = append(args, s.args...)
		if s.apart != 0 && i == s.apart {
			w.host = redistest.StartHost(t)
			w.nodes = append(w.nodes, startNodeOn(t, w.host, args...))
		} else {
			w.nodes = append(w.nodes, startNode(t, args...))
		}
	}
	for _, n := range w.nodes {
		w.doors = append(w.doors, n.URL)
	}
	if s.front != "" {
		w.front = startFront(t, s.front, w.nodes)
		w.doors = []string{w.front.URL}
	}
	for i := range p.subscribers {
		w.subscribe(w.topic(i), w.topic(i+1))
	}
	for i := range p.publishers {
		w.publishers.Go(func() { w.publish(i) }) // joined by settle, or when the test ends
	}
	t.Cleanup(func() {
		w.hush()
		w.dismiss()
	})
	w.awaitBack(w.Now())
	return w
}

// startNodeOn runs a node on a host.
func startNodeOn(t *testing.T, host *redistest.Host, args ...string) *node {
	t.Helper()
	listen, admin := host.Addr+":8080", host.Addr+":8081"
	own := []string{"--listen", listen, "--admin", admin, "--drain-delay", "0s"}
	n := &node{
		process:  startProcess(t, host.Command(program(t, "./cmd/pushstreamd"), append(own, args...)...), nil),
		URL:      "http://" + listen,
		AdminURL: "http://" + admin,
	}
	waitFor(t, n.URL+"/readyz")
	return n
}

// startFront starts a balancer with its file of deploy/, for as many connections as a storm has.
func startFront(t *testing.T, name string, nodes []*node) *node {
	t.Helper()
	i := slices.IndexFunc(balancers, func(b balancer) bool { return b.name == name })
	require.GreaterOrEqual(t, i, 0)
	b := balancers[i]
	const tested, stormy = "512", "8000"
	b.local = func(p place) []string {
		replace := balancers[i].local(p)
		for k, text := range replace {
			replace[k] = strings.Replace(text, "connections "+tested, "connections "+stormy, 1)
			replace[k] = strings.Replace(replace[k], "maxconn "+tested, "maxconn "+stormy, 1)
		}
		return replace
	}
	return b.start(t, b.read(t), nodes).node
}

func (w *world) topic(i int) string { return fmt.Sprint("topic:t", i%w.pace.topics) }

// subscribe adds one who reads some targets from now on.
func (w *world) subscribe(targets ...string) {
	i := len(w.subscribers)
	s := newSubscriber(w.Reader(fmt.Sprint("subscriber ", i), targets...), targets, w.doors, i)
	w.subscribers = append(w.subscribers, s)
}

// hush ends the publishing.
func (w *world) hush() {
	select {
	case <-w.quiet:
	default:
		close(w.quiet)
	}
	w.publishers.Wait()
}

// dismiss ends the reading.
func (w *world) dismiss() {
	for _, s := range w.subscribers {
		s.stop()
	}
}

// publish publishes until it is told to stop, at one node after the other.
func (w *world) publish(name int) {
	client := &http.Client{Timeout: 2500 * time.Millisecond, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	every := time.Duration(float64(time.Second) * float64(w.pace.batch*w.pace.publishers) / float64(w.pace.rate))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	targets := make([]string, w.pace.batch)
	for turn := name; ; turn++ {
		select {
		case <-w.quiet:
			return
		case <-ticker.C:
		}
		for i := range targets {
			targets[i] = w.topic(turn*w.pace.batch + i)
		}
		w.attempt(client, w.doors[turn%len(w.doors)], "", targets...)
	}
}

// attempt publishes one event for each target in one request, and records what became of them. padding makes them larger.
func (w *world) attempt(client *http.Client, door, padding string, targets ...string) (acknowledged int) {
	first := w.Begin(targets...)
	var body bytes.Buffer
	for i, target := range targets {
		body.WriteByte("[,"[min(i, 1)])
		fmt.Fprintf(&body, `{"target":%q,"type":"test.tick","data":{"n":%d,"padding":%q}}`, target, first+i, padding)
	}
	body.WriteByte(']')
	ids := post(client, door, &body, len(targets))
	for i, id := range ids {
		if p, err := event.ParsePosition(id); err == nil {
			w.Acknowledge(first+i, p)
			acknowledged++
		} else {
			w.Refuse(first + i)
		}
	}
	return acknowledged
}

// post returns the ids of a batch; those of what was refused are empty.
func post(client *http.Client, door string, body io.Reader, count int) (ids []string) {
	ids = make([]string, count)
	response, err := client.Post(door+"/events", "application/json", body)
	if err != nil {
		return ids
	}
	defer response.Body.Close()
	var answer struct {
		Results []struct{ ID string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Results) != count {
		return ids
	}
	for i, r := range answer.Results {
		ids[i] = r.ID
	}
	return ids
}

// flood publishes so many large events, so that they come to more than what sockets hold.
func (w *world) flood(megabytes int) {
	w.t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	const size, batch = 16 << 10, 64
	padding := strings.Repeat("x", size)
	targets := make([]string, batch)
	for i := range targets {
		targets[i] = w.topic(i)
	}
	for stored := 0; stored < megabytes<<20; {
		stored += size * w.attempt(client, w.door(), padding, targets...)
	}
}

// door returns where somebody can go who is not to be disturbed: a node that is not stopped.
func (w *world) door() string {
	for i, n := range w.nodes {
		if n != w.silent {
			return w.doors[i%len(w.doors)]
		}
	}
	return w.doors[0]
}

// awaitBack waits until every subscriber has an event that was published after a time, and returns how long that took.
func (w *world) awaitBack(since time.Duration) (took time.Duration) {
	w.t.Helper()
	back := false
	require.Eventually(w.t, func() bool {
		took, back = w.Back(since)
		return back
	}, 4*patience, 10*time.Millisecond, "delivery is not back") // how long it may take is for callers to judge
	return took
}

// settle ends the publishing, has a last event published to every topic, waits until every subscriber has what it has to
// have, or has had the time to get it, and judges.
func (w *world) settle() history.Verdict {
	w.t.Helper()
	w.hush()
	client := &http.Client{Timeout: 2500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range w.pace.topics {
		require.Eventually(w.t, func() bool {
			return w.attempt(client, w.doors[rand.IntN(len(w.doors))], "", w.topic(i)) == 1
		}, patience, 50*time.Millisecond, "a last event is not taken")
	}
	var v history.Verdict
	complete := func() bool {
		v = w.Judge()
		return v.Missing.Count == 0 && v.Absent.Count == 0
	}
	for deadline := time.Now().Add(patience / 2); !complete() && time.Now().Before(deadline); {
		pause(w.t, 200*time.Millisecond)
	}
	return v
}

// pause lets a world go on for a while.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
