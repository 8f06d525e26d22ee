package integration_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// message is one SSE block as a client library hands it over.
type message struct {
	ID   string // the last event id that the library knows after it
	Type string // "" or "message" if the block has none
	Data string
}

// reader is one subscriber: somebody's client behind a proxy of its own, and what that client has handed over. It is safe
// for concurrent use.
type reader struct {
	name     string
	targets  []string
	envelope bool
	proxy    *proxy

	mu       sync.Mutex
	events   []message      // without control blocks, in order
	controls map[string]int // how often each control block came
	faults   []string       // what no reader should ever see
}

// newReader returns a reader of a node for some targets, at most one of them a user. A driver has to make it read.
func newReader(t *testing.T, n *node, name string, targets ...string) *reader {
	t.Helper()
	return &reader{
		name: name, targets: targets, controls: make(map[string]int),
		proxy: startProxy(t, strings.TrimPrefix(n.URL, "http://")),
	}
}

// inEnvelopes asks for the form of the wire in which every event is an unnamed message.
func (r *reader) inEnvelopes() *reader {
	r.envelope = true
	return r
}

// url is what the client subscribes to.
func (r *reader) url() string {
	return r.proxy.URL + "/events?" + subscription(r.targets, r.envelope)
}

// take adds a message.
func (r *reader) take(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Data == "" && m.Type == "" {
		return // some libraries hand over the block that only sets the retry time
	}
	if r.envelope {
		var e struct {
			ID, Type string
			Data     json.RawMessage
		}
		if err := json.Unmarshal([]byte(m.Data), &e); err != nil || (m.Type != "" && m.Type != "message") {
			r.faults = append(r.faults, "no envelope: "+m.Type+" "+m.Data)
			return
		}
		if e.ID != "" && e.ID != m.ID {
			r.faults = append(r.faults, "the envelope of "+m.ID+" has the id "+e.ID)
		}
		m.Type, m.Data = e.Type, string(e.Data)
	}
	if !strings.HasPrefix(m.Type, "pushstream.") {
		r.events = append(r.events, m)
		return
	}
	r.controls[m.Type]++
	if m.Type == "pushstream.gap" || m.Type == "pushstream.bye" {
		r.faults = append(r.faults, m.Type+" "+m.Data)
	}
}

// fail notes what should not have happened.
func (r *reader) fail(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, what)
}

// hellos returns how many streams have begun.
func (r *reader) hellos() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.controls["pushstream.hello"]
}

// received returns the events so far, and the faults.
func (r *reader) received() (events []message, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(events, r.events...), append(faults, r.faults...)
}

// last returns the type of the last event.
func (r *reader) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return ""
	}
	return r.events[len(r.events)-1].Type
}

// allOf waits until something holds for every reader.
func allOf(t *testing.T, readers []*reader, what string, holds func(*reader) bool) {
	t.Helper()
	for _, r := range readers {
		ok := func() bool { return holds(r) }
		require.Eventually(t, ok, 60*time.Second, 10*time.Millisecond, "%s: not %s", r.name, what)
	}
}

// established: every time that its connection was cut, the reader has come back.
func established(r *reader) bool { return r.hellos() == r.proxy.timesCut()+1 }
