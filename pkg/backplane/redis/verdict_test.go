package redis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// plenty is more room than any test needs.
const plenty = 1 << 40

// reader is a client as a browser is one: it reads blocks, and remembers the last id.
type reader struct {
	world *world
	logs  []event.LogName

	mu     sync.Mutex
	last   string // the last event id, as a browser keeps it
	socket *socket
	number int // how many connections there were
	blocks []block
	ended  int // how many streams the nodes have ended
}

// block is what a reader was given.
type block struct {
	at         time.Time
	connection int
	cursor     string // the id of the block
	kind       string // its type, without pushstream. for the control blocks
	target     string // of an event
	position   string // of an event: its own id
	number     int    // of a numbered event; -1 for all else
	gap        []string
	reason     string // of a gap, or of a bye
}

// String is what a failed check shows.
func (b block) String() string {
	switch {
	case b.number >= 0:
		return fmt.Sprintf("%d@%s", b.number, b.cursor)
	case b.gap != nil:
		return fmt.Sprintf("gap%v:%s@%s", b.gap, b.reason, b.cursor)
	default:
		return b.kind + "@" + b.cursor
	}
}

// socket is one connection of a reader. Its reader's mutex guards it.
type socket struct {
	reader  *reader
	node    *node
	conn    *store.Conn
	decoder *sse.Decoder
	room    int // bytes that it still takes
	closed  bool
}

// read connects a reader that has read up to last; a fresh one where that is empty.
func (w *world) read(n *node, last string, logs ...event.LogName) *reader {
	w.t.Helper()
	r := &reader{world: w, logs: logs, last: last}
	r.connect(n, plenty)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readers = append(w.readers, r)
	return r
}

// connect makes a connection to a node, and goes on trying while the node has none to give. It takes room bytes.
func (r *reader) connect(n *node, room int) {
	t := r.world.t
	t.Helper()
	targets := make([]event.Target, len(r.logs))
	for i, log := range r.logs {
		targets[i] = log.Target
	}
	r.mu.Lock()
	s := &socket{reader: r, node: n, decoder: sse.NewDecoder(1 << 20), room: room}
	s.decoder.Reset(r.last)
	request := broker.Request{Tenant: r.logs[0].Tenant, Targets: targets, LastEventID: r.last, Envelope: true, Identity: "me"}
	r.mu.Unlock()
	var sub *broker.Subscription
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		sub, err = n.broker.Subscribe(ctx, request)
		return err == nil
	}, patience, 20*time.Millisecond, "subscribe")
	r.mu.Lock()
	r.socket = s
	r.number++
	r.mu.Unlock()
	conn := sub.Start(s, s)
	r.mu.Lock()
	s.conn = conn
	r.mu.Unlock()
}

// hangUp ends the reader's connection.
func (r *reader) hangUp() {
	r.mu.Lock()
	s := r.socket
	r.socket = nil
	r.mu.Unlock()
	if s != nil {
		s.conn.Gone(nil)
	}
}

// comeBack connects to a node, the same or another one, with the last id.
func (r *reader) comeBack(n *node) {
	r.world.t.Helper()
	r.hangUp()
	r.connect(n, plenty)
}

// give makes room for so many more bytes.
func (r *reader) give(bytes int) {
	r.mu.Lock()
	s := r.socket
	s.room += bytes
	r.mu.Unlock()
	s.conn.Writable()
}

// Write implements store.Stream.
func (s *socket) Write(blocks [][]byte) (taken int, err error) {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	for _, b := range blocks {
		n := min(len(b), s.room)
		if err := s.decoder.Feed(b[:n], s.take); err != nil {
			return taken, err
		}
		taken += n
		s.room -= n
	}
	return taken, nil
}

// Close implements store.Stream.
// Address and Closed are what a session has to have.
func (*socket) Address() string { return "" }

func (*socket) Closed(string, store.Reason) {}

func (s *socket) Close() {
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	s.closed = true
	if r.socket != s {
		return // it hung up
	}
	r.socket = nil
	select {
	case <-s.node.stopped:
	default:
		r.ended++
	}
}

func (s *socket) take(m sse.Message) error {
	r := s.reader
	if r.socket != s {
		return nil // a browser that has hung up hears nothing more
	}
	r.last = m.ID
	b := block{at: time.Now(), connection: r.number, cursor: m.ID, number: -1}
	var envelope struct {
		ID, Type, Target string
		Data             json.RawMessage
	}
	if err := json.Unmarshal([]byte(m.Data), &envelope); err != nil {
		return fmt.Errorf("block %q: %w", m.Data, err)
	}
	b.kind = strings.TrimPrefix(envelope.Type, event.ReservedPrefix)
	b.target, b.position = envelope.Target, envelope.ID
	var data struct {
		N       int      `json:"n"`
		Targets []string `json:"targets"`
		Reason  string   `json:"reason"`
	}
	switch b.kind {
	case tick, "gap", "bye":
		if err := json.Unmarshal(envelope.Data, &data); err != nil {
			return err
		}
		b.gap, b.reason = data.Targets, data.Reason
	}
	if b.kind == tick {
		b.number = data.N
	}
	r.blocks = append(r.blocks, b)
	return nil
}

func (r *reader) connected() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.socket != nil
}

// all returns a copy of all blocks.
func (r *reader) all() []block {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.blocks)
}

// cursor returns the last id.
func (r *reader) cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// newest returns the number of the newest event that was given; -1 where there was none.
func (r *reader) newest() int {
	newest := -1
	for _, b := range r.all() {
		newest = max(newest, b.number)
	}
	return newest
}

// gaps returns the gaps that were told, one for each target, in order.
func (r *reader) gaps() (told []string) {
	for _, b := range r.all() {
		for _, target := range b.gap {
			told = append(told, target+" "+b.reason)
		}
	}
	return told
}

// verdict says how the promise was kept.
type verdict struct {
	acknowledged int
	refused      int
	// refusal is one of the errors of those that were refused.
	refusal error
	// missing are acknowledged events that a reader has not got although no gap of their target was told to it after they
	// had been sent.
	missing []string
	// disordered are events, or cursors, that came to a connection behind later ones.
	disordered []string
	// doubled are events that came to a connection more than once.
	doubled []string
	// gaps counts the targets of gaps that were told.
	gaps int
	// ended counts the streams that nodes have ended, so that their readers have to come back.
	ended int
	// slowest is the longest time from an acknowledgement to a reader.
	slowest time.Duration
}

// String is for the log of a test.
func (v verdict) String() string {
	return fmt.Sprintf("%d acknowledged, %d refused; %d missing, %d disordered, %d doubled, %d gaps, %d streams ended, slowest %v",
		v.acknowledged, v.refused, len(v.missing), len(v.disordered), len(v.doubled), v.gaps, v.ended, v.slowest.Round(time.Millisecond))
}

// settle publishes a last event to every log, waits until all readers have what they have to have, and judges.
func (w *world) settle(p *publisher) verdict {
	w.t.Helper()
	for _, log := range w.logs() {
		require.Eventually(w.t, func() bool { return p.publish(log).err == nil }, patience, 20*time.Millisecond, "publish a last event")
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		v := w.judge()
		if len(v.missing) == 0 {
			return v
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return v
		}
	}
}

// requireKept settles, and fails unless everything that was acknowledged came to every reader, in order and once, and no
// stream was ended. It returns the verdict for what else a test wants of it.
func (w *world) requireKept(p *publisher) verdict {
	w.t.Helper()
	v := w.settle(p)
	w.t.Log(v)
	require.NotZero(w.t, v.acknowledged)
	require.Empty(w.t, v.missing, "missing")
	require.Empty(w.t, v.disordered, "disordered")
	require.Empty(w.t, v.doubled, "doubled")
	require.Zero(w.t, v.ended, "streams ended")
	return v
}

// judge compares what readers were given with what was acknowledged.
func (w *world) judge() (v verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		switch {
		case !s.position.IsZero():
			v.acknowledged++
		case s.err != nil:
			v.refused++
			v.refusal = s.err
		}
	}
	for i, r := range w.readers {
		w.judgeReader(&v, i, r)
	}
	return v
}

func (w *world) judgeReader(v *verdict, name int, r *reader) {
	blocks := r.all()
	got := make(map[int]bool)
	given := make(map[[2]int]bool)            // by connection and number
	newest := make(map[string]event.Position) // by connection and target
	toldGap := make(map[string]time.Time)     // by target: the last one
	for _, b := range blocks {
		cursor, _ := event.ParsePosition(b.cursor) // zero where there is none
		line := strconv.Itoa(b.connection)
		if newest[line].After(cursor) && !cursor.IsZero() {
			v.disordered = append(v.disordered, fmt.Sprintf("reader %d: %v behind %v", name, b, newest[line]))
		}
		newest[line] = newest[line].Later(cursor)
		for _, target := range b.gap {
			toldGap[target] = b.at
			v.gaps++
		}
		if b.number < 0 || b.number >= len(w.sent) {
			continue
		}
		s := w.sent[b.number]
		position, _ := event.ParsePosition(b.position)
		line += b.target
		switch {
		case given[[2]int{b.connection, b.number}]:
			v.doubled = append(v.doubled, fmt.Sprintf("reader %d: %v", name, b))
		case !position.After(newest[line]):
			v.disordered = append(v.disordered, fmt.Sprintf("reader %d: %v, %s behind %v", name, b, b.position, newest[line]))
		}
		given[[2]int{b.connection, b.number}], got[b.number] = true, true
		newest[line] = newest[line].Later(position)
		if !s.position.IsZero() {
			v.slowest = max(v.slowest, b.at.Sub(s.answered))
		}
	}
	r.mu.Lock()
	v.ended += r.ended
	connected := r.socket != nil
	r.mu.Unlock()
	if !connected || len(blocks) == 0 {
		return
	}
	began, _ := event.ParsePosition(blocks[0].cursor) // that of its hello
	for n, s := range w.sent {
		wanted := slices.Contains(r.logs, s.log) && s.position.After(began) && (!began.IsZero() || s.begun.After(blocks[0].at))
		if wanted && !got[n] && !toldGap[s.log.Target.String()].After(s.begun) {
			v.missing = append(v.missing, fmt.Sprintf("reader %d: %d@%v of %v", name, n, s.position, s.log))
		}
	}
}
