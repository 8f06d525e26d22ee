package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// trial is a world under load: one node publishes, two others have a reader each. Whatever is acknowledged was so to a node
// that lives on and can bear witness.
type trial struct {
	*world

	publisher *publisher
	nodes     []*node // those with readers
	load      *stream
}

const (
	// backWithin is how soon publishing and delivery have to be back after a failover.
	backWithin = 5 * time.Second
	// thawWithin is the same where a server is frozen: calls that went there have to time out first, and again.
	thawWithin = 8 * time.Second
)

// newTrial returns a trial at 200 events a second, as soon as they come through.
func newTrial(t *testing.T, url string, change ...func(*redis.Config)) *trial {
	t.Helper()
	w := newWorld(t, url)
	for _, c := range change {
		c(&w.config)
	}
	tr := &trial{world: w, publisher: &publisher{world: w, engine: w.node().engine}, nodes: []*node{w.node(), w.node()}}
	w.read(tr.nodes[0], "", topic("a"))
	w.read(tr.nodes[1], "", topic("a"), topic("b"))
	tr.load = tr.publisher.stream(200, 1<<20, topic("a"), topic("b"))
	tr.awaitFlow()
	return tr
}

// atReplica has publications confirmed by one replica.
func atReplica(c *redis.Config) { c.Acknowledge = redis.AcknowledgeReplica }

// awaitFlow waits until the readers of the load are given what is published from now on.
func (tr *trial) awaitFlow() {
	tr.t.Helper()
	tr.awaitFlowTo(tr.readers[:2]...)
}

// awaitFlowTo waits until readers are given what is published from now on.
func (w *world) awaitFlowTo(readers ...*reader) {
	w.t.Helper()
	from := w.count()
	require.Eventually(w.t, func() bool {
		for _, r := range readers {
			if r.newest() < from+20 {
				return false
			}
		}
		return true
	}, 20*time.Second, 5*time.Millisecond, "events do not flow")
}

// count returns how many events were published.
func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

// requireHeld ends the load, and fails unless nothing that was acknowledged is missing untold, nothing came out of order or
// twice, no stream was ended, and both publishing and delivery were back in time.
func (tr *trial) requireHeld(within time.Duration) {
	tr.t.Helper()
	tr.awaitFlow()
	tr.load.end()
	v := tr.settle(tr.publisher)
	publishing, delivery := tr.silences()
	tr.t.Logf("%v; publishing silent for %v, delivery for %v", v, publishing, delivery)
	require.Empty(tr.t, v.missing, "missing")
	require.Empty(tr.t, v.disordered, "disordered")
	require.Empty(tr.t, tr.doubled(), "doubled")
	require.Zero(tr.t, v.ended, "streams ended")
	require.Less(tr.t, publishing, within)
	require.Less(tr.t, delivery, within)
}

// doubled returns the events that came to a connection again, although it had not been told in between that history was
// lost. What a call stored and relayed before the server was lost is stored again by the repeated call: a reader who has
// seen the first one is told of the loss, and may see the second.
func (tr *trial) doubled() (found []string) {
	for i, r := range tr.readers {
		had := make(map[string]string) // the position of an event, since the last gap of its target
		for _, b := range r.all() {
			for _, target := range b.gap {
				for k := range had {
					if strings.HasPrefix(k, target+" ") {
						delete(had, k)
					}
				}
			}
			if b.number < 0 {
				continue
			}
			key := fmt.Sprint(b.target, " ", b.number, " on ", b.connection)
			if first, twice := had[key]; twice {
				found = append(found, fmt.Sprintf("reader %d: %s: %s and %s", i, key, first, b.position))
			}
			had[key] = b.position
		}
	}
	return found
}

// silences returns the longest time in which no event was acknowledged, and in which a reader of the load was given none.
func (tr *trial) silences() (publishing, delivery time.Duration) {
	tr.mu.Lock()
	var times []time.Time
	for _, s := range tr.sent {
		if !s.position.IsZero() {
			times = append(times, s.answered)
		}
	}
	tr.mu.Unlock()
	publishing = longestBreak(times)
	for _, r := range tr.readers[:2] {
		delivery = max(delivery, r.silence())
	}
	return publishing, delivery
}

// silence returns the longest time in which the reader was given no event.
func (r *reader) silence() time.Duration {
	var times []time.Time
	for _, b := range r.all() {
		if b.number >= 0 {
			times = append(times, b.at)
		}
	}
	return longestBreak(times)
}

func longestBreak(times []time.Time) (longest time.Duration) {
	slices.SortFunc(times, time.Time.Compare)
	for i := range times[min(1, len(times)):] {
		longest = max(longest, times[i+1].Sub(times[i]))
	}
	return longest
}

// vanished returns the acknowledged events that a server does not have.
func (w *world) vanished(s *redistest.Server) (numbers []int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	has := make(map[event.LogName]map[string]bool)
	for n, e := range w.sent {
		if e.position.IsZero() {
			continue
		}
		if has[e.log] == nil {
			has[e.log] = w.entries(s, e.log)
		}
		_, place, _ := strings.Cut(e.position.String(), ".")
		if !has[e.log][place] {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// entries returns the ids of a log's entries on a server.
func (w *world) entries(s *redistest.Server, log event.LogName) map[string]bool {
	w.t.Helper()
	ids := make(map[string]bool)
	found, _ := s.Do("XRANGE", w.key("log:default:"+log.Target.String()), "-", "+").([]any)
	for _, f := range found {
		entry, ok := f.([]any)
		require.True(w.t, ok)
		ids[fmt.Sprint(entry[0])] = true
	}
	return ids
}

// key returns the name of a key of the first partition.
func (w *world) key(name string) string { return w.config.Prefix + ":1:{p0}:" + name }
