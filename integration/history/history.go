package history

import (
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// History is the record of one run. It is safe for concurrent use.
type History struct {
	clock func() time.Duration

	mu       sync.Mutex
	attempts []attempt // by number
	refused  int
	readers  []*Reader
}

// attempt is one event that somebody tried to publish.
type attempt struct {
	target string
	begun  time.Duration
	// answered is when the publisher had an answer, or had given up; zero until then.
	answered time.Duration
	// position is zero unless the event was acknowledged.
	position event.Position
}

// acknowledged reports whether its publisher was told that the event is stored.
func (a attempt) acknowledged() bool { return !a.position.IsZero() }

// New returns an empty record. Its times count from now.
func New() *History {
	began := time.Now()
	return &History{clock: func() time.Duration { return time.Since(began) }}
}

// Now returns the time of the record.
func (h *History) Now() time.Duration { return h.clock() }

// Begin records that one event for each of these targets is about to be published, and returns the number of the first one.
// The others have the numbers behind it. The number is what the event has to carry.
func (h *History) Begin(targets ...string) (first int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = len(h.attempts)
	now := h.Now()
	for _, target := range targets {
		h.attempts = append(h.attempts, attempt{target: target, begun: now})
	}
	return first
}

// Acknowledge records that the publisher of an event was told its position.
func (h *History) Acknowledge(number int, at event.Position) { h.answer(number, at) }

// Refuse records that the publisher of an event was told that it failed, or was told nothing. It may have been stored all
// the same.
func (h *History) Refuse(number int) { h.answer(number, event.Position{}) }

func (h *History) answer(number int, at event.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &h.attempts[number]
	a.answered, a.position = h.Now(), at
	if at.IsZero() {
		h.refused++
	}
}

// Refused returns how many publishes have failed so far.
func (h *History) Refused() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// Kind says what a block of a stream is.
type Kind uint8

// The kinds of blocks that matter to a verdict.
const (
	Event Kind = iota + 1
	Hello
	Gap
	Other // live, ping, bye
)

// Block is what a reader was given.
type Block struct {
	Kind Kind
	// Cursor is the id of the block: where the reader would resume. Zero where there is none.
	Cursor event.Position
	// Position, Target and Number are those of an event. A live-only event has no position.
	Position event.Position
	Target   string
	Number   int
	// Targets and Reason are those of a gap.
	Targets []string
	Reason  event.GapReason

	at         time.Duration
	connection int
}

// Reader is the record of one reader across all of its connections. It is safe for concurrent use.
type Reader struct {
	history *History
	name    string
	targets map[string]bool

	mu         sync.Mutex
	blocks     []Block
	connection int
	connected  bool
	ended      int // connections that ended
}

// Reader records that somebody begins to read these targets. The name is for findings.
func (h *History) Reader(name string, targets ...string) *Reader {
	r := &Reader{history: h, name: name, targets: make(map[string]bool)}
	for _, target := range targets {
		r.targets[target] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers = append(h.readers, r)
	return r
}

// Connect records that the blocks from here on come by a new connection.
func (r *Reader) Connect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connection++
	r.connected = true
}

// Disconnect records that the connection has ended. It counts once for each connection.
func (r *Reader) Disconnect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connected {
		r.ended++
	}
	r.connected = false
}

// Give records a block that has come by the present connection.
func (r *Reader) Give(b Block) {
	b.at = r.history.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	b.connection = r.connection
	r.blocks = append(r.blocks, b)
}

// Back reports how long after a time it took until every reader had an event that was published after it, and whether all
// have. One who is never there again holds it up for good.
func (h *History) Back(since time.Duration) (took time.Duration, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.readers {
		at, ok := r.firstAfter(since, h.attempts)
		if !ok {
			return 0, false
		}
		took = max(took, at-since)
	}
	return took, true
}

// firstAfter returns when the reader had the first event that was published after a time.
func (r *Reader) firstAfter(since time.Duration, attempts []attempt) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Most of a long record is older, and need not be searched.
	i := len(r.blocks)
	for i > 0 && r.blocks[i-1].at > since {
		i--
	}
	for _, b := range r.blocks[i:] {
		if b.Kind == Event && b.Number < len(attempts) && attempts[b.Number].begun > since {
			return b.at, true
		}
	}
	return 0, false
}

// Ended returns how many connections of readers have ended so far.
func (h *History) Ended() (count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.readers {
		r.mu.Lock()
		count += r.ended
		r.mu.Unlock()
	}
	return count
}
