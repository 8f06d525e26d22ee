package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/integration/history"
	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

const (
	crowdReaders = 5000
	crowdTopics  = 100
	// crowdRate is how many events a second are for topics, of which each goes to one reader in crowdTopics.
	crowdRate = 100
	// crowdBurst is how many of them come at the same time. HAProxy counts streams and publishes together, and would give all
	// publishes that come alone to the node with one stream less than the others.
	crowdBurst = 10
	// crowdArrivals is how many readers a second come at the beginning.
	crowdArrivals = 1000
	// crowdDelay is what the documentation recommends behind HAProxy. The other two are the defaults.
	crowdDelay     = 3 * time.Second
	crowdWindow    = 5 * time.Second
	crowdReconnect = 500
	// crowdPatience is what 5,000 are waited for on a machine that has other things to do, too.
	crowdPatience = 2 * time.Minute
)

// crowd is many readers behind HAProxy who come back as good clients do, and publishers who go through it, too.
type crowd struct {
	t       *testing.T
	front   *node
	history *history.History
	began   time.Time
	http    *http.Client
	arrived atomic.Int64 // readers that were served

	mu       sync.Mutex
	here     map[string]int        // readers of each node
	byes     map[string][]farewell // by the node that said them
	faults   []string              // what a reader must not see, besides what the history is judged for
	refusals map[string]int        // how often a publish had to be repeated, by the answer
}

// farewell is a goodbye to a reader that has come back since.
type farewell struct {
	at, back time.Time
	told     time.Duration
}

// Three nodes are replaced one after the other under 5,000 readers, who see no more of it than a goodbye.
func TestRollingRestartOf5000Readers(t *testing.T) {
	nodes := startThree(t, "--redis", redistest.Start(t).URL(), "--drain-delay", crowdDelay.String(),
		"--drain-window", crowdWindow.String(), "--drain-reconnect-rate", strconv.Itoa(crowdReconnect))
	haproxy := haproxyBalancer()
	// Two files a stream, of 20,000 that a test may have. Indented, the setting is found before what other tests replace.
	front := haproxy.start(t, haproxy.read(t), nodes, "  maxconn 20000", "  maxconn 9000")
	c := startCrowd(t, front.node)
	stop := c.load()
	for i, name := range []string{"one", "two", "three"} {
		nodes[i] = c.drains(nodes[i], name)
	}
	stop()
	last := c.history.Now()
	c.publish(t.Context(), "all")
	require.Eventually(t, func() bool { _, all := c.history.Back(last); return all }, crowdPatience, 100*time.Millisecond)

	v := c.history.Judge()
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%v after the start: %v; answers to publishes that had to be repeated: %v", time.Since(c.began).Round(time.Second), v, c.refusals)
	for what, found := range map[string]history.Findings{
		"missing": v.Missing, "told late": v.Late, "out of order": v.Disordered, "doubled": v.Doubled, "foreign": v.Foreign, "absent": v.Absent,
	} {
		require.Zero(t, found.Count, "%s: %v", what, found.Examples)
	}
	require.Zero(t, v.GapsRight+v.GapsWrong)
	require.Zero(t, v.Unanswered)
	require.Empty(t, c.faults)
	require.Empty(t, c.refusals)
	told := 0
	for _, byes := range c.byes {
		told += len(byes)
	}
	require.Equal(t, v.Ended, told, "a stream ended without a goodbye")
	for _, n := range nodes { // stopped in order, each would wait for its balancer once more
		n.kill()
	}
}

// A connection that was made ahead of a request is closed, not answered: the request may be on its way.
func TestHAProxyAnswersNothingBeforeARequest(t *testing.T) {
	t.Parallel()
	haproxy := haproxyBalancer()
	front := haproxy.start(t, haproxy.read(t), []*node{startNode(t, "--insecure-dev")}, "timeout http-request 10s", "timeout http-request 1s")
	conn, err := net.Dial("tcp", strings.TrimPrefix(front.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Empty(t, string(answer))
}

func haproxyBalancer() balancer {
	return balancers[slices.IndexFunc(balancers, func(b balancer) bool { return b.name == "haproxy" })]
}

// startCrowd lets all readers come, and waits until they are there.
func startCrowd(t *testing.T, front *node) *crowd {
	t.Helper()
	c := &crowd{
		t: t, front: front, history: history.New(), began: time.Now(), here: make(map[string]int), byes: make(map[string][]farewell), refusals: make(map[string]int),
		// A client that keeps a connection for longer than HAProxy does may write into one that is being closed.
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 20, IdleConnTimeout: 5 * time.Second}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		group.Wait()
		c.http.CloseIdleConnections()
	})
	for i := range crowdReaders {
		r := &crowdReader{crowd: c, topic: strconv.Itoa(i % crowdTopics)}
		r.record = c.history.Reader(fmt.Sprintf("reader %d", i), "topic:"+r.topic, "all")
		group.Go(func() { r.read(ctx, time.Duration(i)*time.Second/crowdArrivals) }) // joined by the cleanup
	}
	require.Eventually(t, func() bool { return c.arrived.Load() == crowdReaders }, crowdPatience, 10*time.Millisecond, "not all readers are there")
	t.Logf("%d readers are there after %v", crowdReaders, time.Since(c.began).Round(time.Millisecond))
	return c
}

// drains replaces a node in an orderly way, and waits until all of its readers are back and the new one gets streams.
func (c *crowd) drains(n *node, name string) (again *node) {
	c.t.Helper()
	published := func() bool { return n.metric("pushstream_events_published_total") >= crowdRate/2 }
	require.Eventually(c.t, published, patience, 10*time.Millisecond, "a node without publishes proves nothing")
	c.mu.Lock()
	count := c.here[name]
	c.mu.Unlock()
	require.Greater(c.t, count, crowdReaders/5, "a node without readers proves nothing")
	signalled := n.signal(syscall.SIGTERM)
	require.Zero(c.t, n.exitCode())
	stopped := time.Since(signalled)
	again = restart(c.t, n)
	var byes []farewell
	var faults []string
	require.Eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		byes, faults = c.byes[name], c.faults
		return len(byes) >= count || len(faults) > 0
	}, crowdPatience, 10*time.Millisecond, "not all are back")
	require.Empty(c.t, faults)
	require.Len(c.t, byes, count, "all readers of the node were told, each once")

	spread := max(time.Second, time.Duration(count)*time.Second/crowdReconnect)
	begin := signalled.Add(crowdDelay)
	var told, sent, back []float64
	for _, f := range byes {
		require.Less(c.t, f.told, spread)
		told = append(told, float64(f.told.Milliseconds()))
		sent = append(sent, float64(f.at.Sub(begin).Milliseconds()))
		back = append(back, float64(f.back.Sub(begin).Milliseconds()))
	}
	c.t.Logf("%s had %d readers and ended %v after SIGTERM", name, count, stopped.Round(time.Millisecond))
	even := slices.Max(histogram(c.t, "reconnect_ms of "+name, told, float64(spread.Milliseconds())))
	require.Less(c.t, even, 0.15*float64(count))
	// Times are measured here, on a machine that may be busy: what could not be read for a while then comes at once.
	c.requireSpread("goodbyes of "+name, sent, crowdWindow, 0.7)
	// The sum of two random times, so that more come in the middle: 17 to 19 of a hundred in a tenth.
	c.requireSpread("back from "+name, back, crowdWindow+spread, 0.5)
	awaitTurn(c.t, c.front, name)
	return again
}

// requireSpread checks that less than a share of all times is within any tenth of a window, be they late or not.
func (c *crowd) requireSpread(what string, times []float64, window time.Duration, share float64) {
	c.t.Helper()
	histogram(c.t, what+", ms", times, float64(window.Milliseconds())) // sorts them
	fullest, first := 0, 0
	for last, at := range times {
		for at-times[first] > float64(window.Milliseconds())/10 {
			first++
		}
		fullest = max(fullest, last-first+1)
	}
	c.t.Logf("%s: at most %d of %d in any tenth of the time", what, fullest, len(times))
	require.Less(c.t, float64(fullest), share*float64(len(times)), "%s: too many at once", what)
}

// fault notes what a reader must not see. The first ones say enough.
func (c *crowd) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const most = 20
	if len(c.faults) < most {
		c.faults = append(c.faults, fmt.Sprintf("after %v: ", time.Since(c.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

// crowdReader reads its topic and all, one connection after the other.
type crowdReader struct {
	crowd  *crowd
	topic  string
	record *history.Reader

	lastID string
	node   string    // where it is, or was
	left   *farewell // the last goodbye, until it is back
}

func (r *crowdReader) read(ctx context.Context, wait time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		var err error
		if wait, err = r.stream(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			r.crowd.fault("topic %s at %s: %v", r.topic, r.node, err)
			wait = time.Second/2 + rand.N(time.Second)
		}
	}
}

// stream reads one stream up to its goodbye, and returns how soon to come back.
func (r *crowdReader) stream(ctx context.Context) (wait time.Duration, err error) {
	header := []string{"Accept: text/event-stream"}
	if r.lastID != "" {
		header = append(header, "Last-Event-ID: "+r.lastID)
	}
	conn, body, err := dialStream(r.crowd.front, "envelope=1&topic="+r.topic, header...)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r.record.Connect()
	defer r.record.Disconnect()
	blocks := sse.NewReader(body, sse.NewDecoder(4<<10))
	for expected := hello; ; expected = "" {
		m, err := blocks.Next()
		if err != nil {
			return 0, fmt.Errorf("read behind %s: %w", r.lastID, err)
		}
		b, err := parseCrowdBlock(m.Data)
		if err == nil && expected != "" && b.Type != expected {
			err = errors.New("expected " + expected)
		}
		if err == nil {
			err = r.give(m, b)
		}
		if err != nil {
			return 0, fmt.Errorf("the block %s: %w", m.Data, err)
		}
		if b.Type == "pushstream.bye" {
			return r.goodbye(b.Data)
		}
	}
}

// give records a block.
func (r *crowdReader) give(m sse.Message, b crowdBlock) (err error) {
	var data struct {
		Node    string
		Targets []string
		Reason  event.GapReason
	}
	block := history.Block{Kind: history.Other}
	if r.lastID = m.ID; m.HasID {
		if block.Cursor, err = event.ParsePosition(m.ID); err != nil {
			return err
		}
	}
	switch b.Type {
	case crowdType:
		block.Kind, block.Target, block.Position = history.Event, b.Target, block.Cursor
		if block.Number, err = strconv.Atoi(string(b.Data)); err == nil && b.ID != m.ID {
			block.Position, err = event.ParsePosition(b.ID)
		}
	case hello, gap:
		block.Kind = map[string]history.Kind{hello: history.Hello, gap: history.Gap}[b.Type]
		err = json.Unmarshal(b.Data, &data)
		block.Targets, block.Reason = data.Targets, data.Reason
	}
	if err != nil {
		return err
	}
	r.record.Give(block)
	if block.Kind == history.Hello {
		r.isBack(data.Node)
	}
	return nil
}

// isBack notes that a reader has been served.
func (r *crowdReader) isBack(node string) {
	c := r.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[node]++
	switch {
	case r.left != nil:
		r.left.back = time.Now()
		c.here[r.node]--
		c.byes[r.node] = append(c.byes[r.node], *r.left)
	case r.node == "":
		c.arrived.Add(1)
	}
	r.node, r.left = node, nil
}

func (r *crowdReader) goodbye(data []byte) (wait time.Duration, err error) {
	var b struct {
		Reason    string
		Reconnect int64 `json:"reconnect_ms"`
	}
	if err = json.Unmarshal(data, &b); err == nil && b.Reason != "draining" {
		err = errors.New("not because of a drain")
	}
	if err != nil {
		return 0, fmt.Errorf("the goodbye %s: %w", data, err)
	}
	wait = time.Duration(b.Reconnect) * time.Millisecond
	r.left = &farewell{at: time.Now(), told: wait}
	return wait, nil
}

// crowdType is the type of the events. Their data is their number.
const crowdType = "crowd.counted"

// crowdBlock is a block in the envelope form.
type crowdBlock struct {
	ID, Type, Target string
	Data             json.RawMessage
}

// parseCrowdBlock reads the data of a block. The race detector makes encoding/json so slow that most of what the test has
// of the machine would go there, so events are cut up where they look as usual.
func parseCrowdBlock(text string) (b crowdBlock, err error) {
	first, rest, usual := strings.Cut(text, `","type":"`+crowdType+`","target":"`)
	target, rest, targeted := strings.Cut(rest, `","data":`)
	number, _, timed := strings.Cut(rest, `,"time":"`)
	if id, opened := strings.CutPrefix(first, `{"id":"`); opened && usual && targeted && timed {
		return crowdBlock{ID: id, Type: crowdType, Target: target, Data: json.RawMessage(number)}, nil
	}
	err = json.Unmarshal([]byte(text), &b)
	return b, err
}

// load publishes at a pace, each event as one of many publishers would, until stop is called. That waits until all is
// acknowledged. What a busy machine is late with is left out, or it would only become busier.
func (c *crowd) load() (stop func()) {
	stopped := make(chan struct{})
	var group sync.WaitGroup // joined by stop
	group.Go(func() {
		pace := time.NewTicker(time.Second * crowdBurst / crowdRate)
		defer pace.Stop()
		for n := 0; ; n += crowdBurst {
			select {
			case <-stopped:
				return
			case <-pace.C:
			}
			for i := range crowdBurst {
				group.Go(func() { c.publish(c.t.Context(), fmt.Sprintf("topic:%d", (n+i)%crowdTopics)) })
			}
			if n%(5*crowdRate) == 0 { // it goes to all readers at once
				group.Go(func() { c.publish(c.t.Context(), "all") })
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(stopped)
		group.Wait()
	})
	c.t.Cleanup(stop)
	return stop
}

// publish publishes an event until it is acknowledged, or the test ends.
func (c *crowd) publish(ctx context.Context, target string) {
	number := c.history.Begin(target)
	for ctx.Err() == nil {
		at, err := c.post(ctx, fmt.Sprintf(`{"key": "crowd-%d", "target": %q, "type": %q, "data": %d}`, number, target, crowdType, number))
		if err == nil {
			c.history.Acknowledge(number, at)
			return
		}
		c.mu.Lock()
		c.refusals[err.Error()]++
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// post publishes once.
func (c *crowd) post(ctx context.Context, body string) (at event.Position, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.front.URL+"/events", strings.NewReader(body))
	if err != nil {
		return at, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return at, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return at, err
	}
	var answer struct{ ID string }
	if response.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil {
		return at, fmt.Errorf("%s %s", response.Status, text)
	}
	return event.ParsePosition(answer.ID)
}
