package store_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// world is everything around a store, in a form that tests can read: positions are numbers, blocks are words in
// brackets. The logs are a slice; rounds are answered from it.
type world struct {
	t     *testing.T
	store *store.Store
	stop  context.CancelFunc

	mu       sync.Mutex
	logs     []entry
	head     int
	held     []store.Request // requests that are not answered yet
	hold     bool
	gaps     map[string]event.GapReason
	known    map[string]*store.Log
	fail     error
	reads    int
	overflow int
	catching int
	page     int // the most frames of a round; 0 for no bound
}

type entry struct {
	position int
	log      string
}

func newWorld(t *testing.T, change func(*store.Config)) *world {
	t.Helper()
	cfg := store.DefaultConfig()
	cfg.Shards = 1
	cfg.MaxAge = 0
	if change != nil {
		change(&cfg)
	}
	w := &world{t: t, gaps: make(map[string]event.GapReason), known: make(map[string]*store.Log), head: 100}
	var err error
	w.store, err = store.New(cfg, 1, controls{}, w, w)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // joined by stop
		defer close(done)
		w.store.Run(ctx)
	}()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

func at(n int) event.Position {
	if n == 0 {
		return event.Position{}
	}
	p, err := event.NewPosition("t", uint64(n), 0)
	if err != nil {
		panic(err)
	}
	return p
}

func number(p event.Position) string {
	if p.IsZero() {
		return "-"
	}
	return strconv.FormatUint(p.Millis(), 10)
}

func logName(name string) event.LogName {
	t, err := event.Topic(name)
	if err != nil {
		panic(err)
	}
	return event.LogName{Tenant: event.DefaultTenant(), Target: t}
}

// log returns a log as the store knows it.
func (w *world) log(name string) *store.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[name] == nil {
		w.known[name] = &store.Log{Name: logName(name)}
	}
	return w.known[name]
}

// append stores an event without relaying it.
func (w *world) append(position int, log string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs = append(w.logs, entry{position, log})
	w.head = position
}

// publish stores and relays an event.
func (w *world) publish(position int, logs ...string) {
	for _, log := range logs {
		w.append(position, log)
	}
	for _, log := range logs {
		w.store.Dispatch(w.log(log), frame{position, log, 0})
	}
}

// Read answers at once, or later when hold is set.
func (w *world) Read(r store.Request) (store.Round, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.hold {
		w.held = append(w.held, r)
		return store.Round{}, false
	}
	go r.Conn.Fill(w.round(r)) // ends at once
	return store.Round{}, false
}

// holdRounds leaves rounds unanswered until release.
func (w *world) holdRounds() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = true
}

// release answers what was held.
func (w *world) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = false
	for _, r := range w.held {
		r.Conn.Fill(w.round(r))
	}
	w.held = nil
}

func (w *world) round(r store.Request) store.Round {
	if w.fail != nil {
		return store.Round{Err: w.fail}
	}
	round := store.Round{Through: at(w.head), Fence: at(w.head)}
	after := make(map[string]event.Position)
	for _, l := range r.Logs {
		name := l.Log.Name.Target.ID()
		if reason := w.gaps[name]; reason != event.GapNone {
			round.Gaps = append(round.Gaps, store.Gap{Reason: reason, Logs: []*store.Log{l.Log}})
			delete(w.gaps, name)
			continue
		}
		after[name] = l.After
	}
	last := 0
	for _, e := range w.logs {
		from, wanted := after[e.log]
		if !wanted || !at(e.position).After(from) || e.position == last {
			continue
		}
		if w.page > 0 && len(round.Frames) == w.page {
			round.Through = at(last)
			break
		}
		round.Frames = append(round.Frames, frame{e.position, e.log, 0})
		last = e.position
	}
	return round
}

func (w *world) Delivered(int, int)            {}
func (w *world) Replayed(int)                  {}
func (w *world) GapTold(event.GapReason, int)  {}
func (w *world) DeliveryLatency(time.Duration) {}
func (w *world) InboxOverflow()                { w.count(&w.overflow, 1) }
func (w *world) CatchingUp(delta int)          { w.count(&w.catching, delta) }
func (w *world) count(counter *int, delta int) { w.mu.Lock(); *counter += delta; w.mu.Unlock() }
func (w *world) number(counter *int) int       { w.mu.Lock(); defer w.mu.Unlock(); return *counter }

// frame is an event; extra makes it large.
type frame struct {
	position int
	log      string
	extra    int
}

func (f frame) Position() event.Position { return at(f.position) }
func (f frame) Size() int                { return 10 + f.extra }
func (f frame) Block(bool) []byte {
	return []byte(fmt.Sprintf("[%s %s%s]", number(f.Position()), f.log, strings.Repeat("x", f.extra)))
}

func (f frame) Under(_ bool, id event.Position) []byte {
	return []byte(fmt.Sprintf("[%d %s under %s]", f.position, f.log, number(id)))
}

type controls struct{}

func (controls) Gap(_ bool, cursor event.Position, targets []event.Target, reason event.GapReason) []byte {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.ID()
	}
	return []byte(fmt.Sprintf("[gap %s %s @%s]", strings.Join(names, ","), reason, number(cursor)))
}

func (controls) Live(_ bool, cursor event.Position) []byte {
	return []byte(fmt.Sprintf("[live @%s]", number(cursor)))
}

func (controls) Ping(envelope bool, cursor event.Position) []byte {
	if envelope {
		return []byte(fmt.Sprintf("[ping in an envelope @%s]", number(cursor)))
	}
	return []byte(fmt.Sprintf("[ping @%s]", number(cursor)))
}

func (controls) Bye(_ bool, reason string, reconnect time.Duration) []byte {
	if reconnect < 0 {
		return []byte(fmt.Sprintf("[bye %s for good]", reason))
	}
	return []byte(fmt.Sprintf("[bye %s]", reason))
}

// reader is a connection and its socket, which takes room bytes until it is given more.
type reader struct {
	w    *world
	id   string
	conn *store.Conn

	mu     sync.Mutex
	room   int
	took   strings.Builder
	writes int
	closed bool
	reason *store.Reason
	left   []*store.Log
}

const plenty = 1 << 30

// attach connects a reader of logs.
func (w *world) attach(cursor, room int, logs ...string) *reader {
	return w.attachAs(store.Credential{}, cursor, room, logs...)
}

// attachAs connects a reader with a credential.
func (w *world) attachAs(credential store.Credential, cursor, room int, logs ...string) *reader {
	r := &reader{w: w, id: strings.Join(logs, "+"), room: room}
	var names []*store.Log
	for _, log := range logs {
		names = append(names, w.log(log))
	}
	w.mu.Lock()
	fence := w.head
	w.mu.Unlock()
	r.conn = w.store.Attach(store.Attachment{
		Holder: r, Credential: &credential, Stream: r, Logs: names, Hello: []byte("[hello]"), Cursor: at(cursor), Fence: at(fence),
	})
	synctest.Wait()
	return r
}

func (r *reader) Write(blocks [][]byte) (taken int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	for _, b := range blocks {
		n := min(len(b), r.room)
		r.took.Write(b[:n])
		r.room -= n
		taken += n
	}
	return taken, nil
}

func (r *reader) ID() string      { return r.id }
func (r *reader) Address() string { return "" }

// Closed is called once.
func (r *reader) Closed(logs []*store.Log, reason store.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != nil {
		panic("closed twice")
	}
	r.reason, r.left = &reason, logs
}

func (r *reader) Close() { r.mu.Lock(); r.closed = true; r.mu.Unlock() }

// give makes room for all that waits.
func (r *reader) give() {
	r.mu.Lock()
	r.room = plenty
	r.mu.Unlock()
	r.conn.Writable()
	synctest.Wait()
}

// text returns what came since the last call.
func (r *reader) text() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.took.String()
	r.took.Reset()
	return s
}

func (r *reader) ended() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil {
		return ""
	}
	return r.reason.String()
}

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // under synctest it takes no time, and returns when everybody else waits
}
