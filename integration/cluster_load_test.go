package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load publishes orders at a pace, each under a key of its own, and again until it is acknowledged. Like those of many
// publishers, its requests overlap. Of every tenth event it takes the first answer for lost.
type load struct {
	t       *testing.T
	targets []string
	to      func(n int) *node
	client  *http.Client
	stopped chan struct{}
	// stop waits until all that was begun is acknowledged, and returns everything, in order. It can be called again.
	stop func() []published

	mu           sync.Mutex
	acknowledged []published
	refusals     map[string]int // how often an event had to be published again, by the answer
}

// startLoad publishes so many events a second, for some targets in turns, until stop. to says which node gets the n-th of
// all attempts.
func startLoad(t *testing.T, perSecond int, to func(n int) *node, targets ...string) *load {
	t.Helper()
	const workers = 10
	l := &load{
		t: t, targets: targets, to: to, stopped: make(chan struct{}), refusals: make(map[string]int),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}},
	}
	var events, attempts atomic.Int64
	began, interval := time.Now(), time.Second/time.Duration(perSecond)
	var group sync.WaitGroup // joined by stop
	for range workers {
		group.Go(func() {
			for {
				n := events.Add(1) - 1
				select {
				case <-l.stopped:
					return
				case <-time.After(time.Until(began.Add(time.Duration(n) * interval))):
					l.publish(t.Context(), int(n), &attempts)
				}
			}
		})
	}
	l.stop = sync.OnceValue(func() []published {
		close(l.stopped)
		group.Wait()
		l.client.CloseIdleConnections()
		return inOrder(t, l.acknowledged)
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// publish publishes the n-th event until it is acknowledged, or the test ends.
func (l *load) publish(ctx context.Context, n int, attempts *atomic.Int64) {
	p := published{
		key: fmt.Sprintf("order-%d", n), kind: "order.created", targets: []string{l.targets[n%len(l.targets)]},
		data: json.RawMessage(fmt.Sprintf(`{"order": %d}`, n)),
	}
	body := fmt.Sprintf(`{"key": %q, "target": %q, "type": %q, "data": %s}`, p.key, p.targets[0], p.kind, p.data)
	lost := n%10 == 0
	for ctx.Err() == nil {
		id, refusal := l.post(ctx, l.to(int(attempts.Add(1)-1)), body)
		switch {
		case refusal != "":
			l.mu.Lock()
			l.refusals[refusal]++
			l.mu.Unlock()
		case lost:
			lost = false
		default:
			p.id = id
			l.adopt(p)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// post publishes once, and returns the id, or why there is none.
func (l *load) post(ctx context.Context, n *node, body string) (id, refusal string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL+"/events", strings.NewReader(body))
	if err != nil {
		return "", err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return "", "no answer"
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", "half an answer"
	}
	if response.StatusCode != http.StatusOK {
		return "", strings.TrimSpace(response.Status + " " + response.Header.Get("Retry-After"))
	}
	var answer struct{ ID string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.ID == "" {
		l.t.Errorf("the answer to a publish is %s", text)
	}
	return answer.ID, ""
}

// count returns how many events have been acknowledged.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// refused returns how often an event had to be published again, by the answer.
func (l *load) refused() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.refusals)
}

// awaitMore waits until so many more events have been acknowledged.
func (l *load) awaitMore(count int) {
	l.t.Helper()
	before := l.count()
	require.Eventually(l.t, func() bool { return l.count() >= before+count }, patience, 5*time.Millisecond, "nothing is acknowledged: %v", l.refused())
}

// awaitRefusal waits until a publish has been refused with an answer.
func (l *load) awaitRefusal(answer string) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.refused()[answer] > 0 }, patience, 5*time.Millisecond, "no publish is answered %s: %v", answer, l.refused())
}

// adopt counts an event among the acknowledged that somebody else has published.
func (l *load) adopt(p published) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged = append(l.acknowledged, p)
}
