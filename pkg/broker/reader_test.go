package broker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// plenty is more room than any test needs.
const plenty = 1 << 40

// reader is a client as a browser is one: it reads blocks, remembers the last id, and comes back with it. Its socket takes
// room bytes.
type reader struct {
	mu      sync.Mutex
	room    int
	bytes   int // taken so far
	decoder *sse.Decoder
	last    string // the last event id, as a browser keeps it
	items   []item
	conn    *store.Conn
	closed  bool
	reason  string
	now     func() int // how many events have been acknowledged
}

// item is one block that a reader was given.
type item struct {
	Type   string          `json:"type"`
	Target string          `json:"target"`
	ID     string          `json:"id"`
	Data   json.RawMessage `json:"data"`

	seq   int      // of an event of the model
	gap   []string // the targets of a gap
	cause string   // of a gap
	block string   // the id of the block itself
	acked int      // how many events had been acknowledged when it came
}

// String is what a failed check shows.
func (i item) String() string {
	switch {
	case i.seq > 0:
		return fmt.Sprintf("%d@%s", i.seq, i.block)
	case i.gap != nil:
		return fmt.Sprintf("gap%v@%s", i.gap, i.block)
	default:
		return i.Type + "@" + i.block
	}
}

func (r *reader) connect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decoder = sse.NewDecoder(1 << 20)
	r.decoder.Reset(r.last)
	r.closed, r.reason = false, ""
}

// Address is where the reader is.
func (*reader) Address() string { return "192.0.2.1" }

// Closed takes the end of the stream.
func (r *reader) Closed(_ string, reason store.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason.String()
}

// Write is the socket.
func (r *reader) Write(blocks [][]byte) (taken int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range blocks {
		n := min(len(b), r.room)
		if err := r.feed(b[:n]); err != nil {
			return taken, err
		}
		taken += n
		r.room -= n
		r.bytes += n
	}
	return taken, nil
}

func (r *reader) feed(b []byte) error {
	return r.decoder.Feed(b, func(m sse.Message) error {
		r.last = m.ID
		var it item
		if err := json.Unmarshal([]byte(m.Data), &it); err != nil {
			return fmt.Errorf("block %q: %w", m.Data, err)
		}
		it.block = m.ID
		if r.now != nil {
			it.acked = r.now()
		}
		switch {
		case it.Type == "pushstream.gap":
			var gap struct {
				Targets []string `json:"targets"`
				Reason  string   `json:"reason"`
			}
			if err := json.Unmarshal(it.Data, &gap); err != nil {
				return err
			}
			it.gap, it.cause = gap.Targets, gap.Reason
		case !strings.HasPrefix(it.Type, event.ReservedPrefix):
			if err := json.Unmarshal(it.Data, &it.seq); err != nil {
				return err
			}
		}
		r.items = append(r.items, it)
		return nil
	})
}

// Close is the end of the socket.
func (r *reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// give makes room for more.
func (r *reader) give(room int) {
	r.mu.Lock()
	r.room = max(r.room, room)
	conn := r.conn
	r.mu.Unlock()
	if conn != nil {
		conn.Writable()
	}
}

// ended reports whether the node has closed the connection.
func (r *reader) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
