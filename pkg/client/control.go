package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

// reserved begins the names of control blocks.
const reserved = event.ReservedPrefix

// Reasons of goodbyes that this package treats in a way of their own.
const (
	byeExpired = "expired"
	byeRevoked = "revoked"
)

// control takes a control block. It returns an error where the connection is to end. Those that it does not know only move
// the cursor.
func (c *connection) control(name string, ev Event, cursor string) error {
	switch name {
	case "hello":
		if err := c.hello(ev.Data); err != nil {
			return err
		}
	case "live":
		c.end.progress = true
		c.state.Phase = PhaseLive
		c.tell(c.state)
	case "gap":
		return c.gap(ev, cursor)
	case "bye":
		return c.goodbye(ev.Data)
	}
	c.pass(cursor)
	return nil
}

// hello notes what the server says of itself. It returns an error if that speaks a version which is not known here.
func (c *connection) hello(data []byte) error {
	var hello struct {
		Protocol    int    `json:"protocol"`
		Connection  string `json:"connection"`
		Node        string `json:"node"`
		Identity    string `json:"identity"`
		HeartbeatMS int64  `json:"heartbeat_ms"`
		Resumed     string `json:"resumed"`
	}
	if json.Unmarshal(data, &hello) == nil && hello.HeartbeatMS > 0 {
		heartbeat := time.Duration(min(hello.HeartbeatMS, maxWait.Milliseconds())) * time.Millisecond
		c.body.limit = heartbeat*5/2 + time.Millisecond
	}
	if hello.Protocol > sse.Protocol {
		return fmt.Errorf("%w: its protocol has version %d, and %d is the last that is known here", ErrProtocol, hello.Protocol, sse.Protocol)
	}
	c.end.opened, c.opened, c.renewed = true, true, false
	c.state = State{
		Phase: PhaseOpen, Connection: hello.Connection, Node: hello.Node, Identity: hello.Identity,
		Resumed: hello.Resumed == "replaying",
	}
	c.tell(c.state)
	return nil
}

// gap hands a gap over, in order. One that cannot be read is told all the same: of everything, with the worst reason.
func (c *connection) gap(ev Event, cursor string) error {
	gap := Gap{Reason: event.GapLost}
	var told struct {
		Targets []string        `json:"targets"`
		Reason  event.GapReason `json:"reason"`
	}
	if json.Unmarshal(ev.Data, &told) == nil && told.Reason != event.GapNone {
		gap = Gap{Targets: told.Targets, Reason: told.Reason}
	}
	return c.give(Event{Type: TypeGap, Data: ev.Data, Gap: &gap}, cursor)
}

// goodbye notes when to come back, and returns why the stream ends.
func (c *connection) goodbye(data []byte) error {
	var bye struct {
		Reason      string `json:"reason"`
		ReconnectMS *int64 `json:"reconnect_ms"`
	}
	if err := json.Unmarshal(data, &bye); err != nil {
		bye.ReconnectMS = nil
		if retry, ok := c.decoder.Retry(); ok {
			bye.ReconnectMS = new(retry.Milliseconds())
		}
	}
	if bye.ReconnectMS != nil {
		c.end.told = true
		c.end.wait = time.Duration(min(max(0, *bye.ReconnectMS), maxWait.Milliseconds())) * time.Millisecond
	}
	return &Error{Code: bye.Reason, again: c.end.told}
}

// recentEvents is how many ids are kept to recognise events that come twice. A node gives again what it is in doubt about:
// what came lately.
const recentEvents = 1024

// recent knows the ids of the last events.
type recent struct {
	known map[string]struct{}
	ids   []string // a ring, once it is full
	next  int
}

// has reports whether an id is known.
func (r *recent) has(id string) bool {
	_, ok := r.known[id]
	return ok
}

// add makes an id known, in place of the oldest.
func (r *recent) add(id string) {
	if r.known == nil {
		r.known = make(map[string]struct{}, recentEvents)
	}
	if len(r.ids) < recentEvents {
		r.ids = append(r.ids, id)
	} else {
		delete(r.known, r.ids[r.next])
		r.ids[r.next] = id
		r.next = (r.next + 1) % recentEvents
	}
	r.known[id] = struct{}{}
}
