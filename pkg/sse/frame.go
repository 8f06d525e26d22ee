package sse

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// framing is at least what field names, two ids, the time and punctuation add to an event's own bytes.
	framing = 256
	// timeLayout is RFC 3339 with milliseconds, as JavaScript's Date.toISOString writes it.
	timeLayout = "2006-01-02T15:04:05.000Z07:00"
)

// Frame is one event as blocks of the wire. Each form is encoded when it is first asked for, once, and shared from then
// on. It is safe for concurrent use.
//
// The plain form has the fields id, event and data. The envelope form is an unnamed message whose data is a JSON object of
// id, type, target, data, time and meta. An event without a position has no id in either.
type Frame struct {
	target   event.Target
	event    event.Event
	position event.Position

	plain, envelope form
}

// form is a block that is encoded once.
type form struct {
	once  sync.Once
	block []byte
}

// NewFrame returns the frame of an event in the log of target. The zero position is that of an event which is live only.
func NewFrame(target event.Target, ev event.Event, position event.Position) *Frame {
	return &Frame{target: target, event: ev, position: position}
}

// Position returns the event's place; zero for one that is live only.
func (f *Frame) Position() event.Position { return f.position }

// Size returns what the frame counts in a bound on memory, in bytes: about one block of it.
func (f *Frame) Size() int { return framing + len(f.target.ID()) + f.event.Size() }

// Block returns the plain or the envelope form. The bytes are shared: do not change them.
func (f *Frame) Block(envelope bool) []byte {
	form := &f.plain
	if envelope {
		form = &f.envelope
	}
	form.once.Do(func() { form.block = f.Under(envelope, f.position) })
	return form.block
}

// Under returns the event as a block with another SSE id, or with none where id is zero: for a reader whose cursor has
// passed the event already. In the envelope the event keeps its own id. Every call encodes anew.
func (f *Frame) Under(envelope bool, id event.Position) []byte {
	block := make([]byte, 0, f.Size())
	if !envelope {
		block = beginPlain(block, id, f.event.Type.String())
		block = append(block, value(f.event.Data)...)
		return append(block, '\n', '\n')
	}
	block = beginEnvelope(block, id, f.position, f.event.Type.String())
	block = append(block, `,"target":`...)
	block = append(block, marshal(f.target.String())...)
	block = append(block, `,"data":`...)
	block = append(block, value(f.event.Data)...)
	block = append(block, `,"time":"`...)
	block = f.event.Time.UTC().AppendFormat(block, timeLayout)
	block = append(block, '"')
	if !f.event.Meta.IsZero() {
		block = append(block, `,"meta":`...)
		block = append(block, f.event.Meta.Bytes()...)
	}
	return append(block, '}', '\n', '\n')
}

// beginPlain appends the fields of a plain block up to where its data begins. An event.Position and the name of a type or
// of a control block have no line ends by construction, and event.JSON is one line, so none is looked for.
func beginPlain(dst []byte, id event.Position, name string) []byte {
	dst = appendID(dst, id)
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	return append(dst, "\ndata: "...)
}

// beginEnvelope appends an envelope block up to the end of its type: id is that of the block, own the one in the JSON.
// Neither positions nor names have characters that JSON escapes.
func beginEnvelope(dst []byte, id, own event.Position, name string) []byte {
	dst = appendID(dst, id)
	dst = append(dst, "data: {"...)
	if !own.IsZero() {
		dst = append(dst, `"id":"`...)
		dst = own.AppendTo(dst)
		dst = append(dst, `",`...)
	}
	dst = append(dst, `"type":"`...)
	dst = append(dst, name...)
	return append(dst, '"')
}

func appendID(dst []byte, id event.Position) []byte {
	if id.IsZero() {
		return dst
	}
	dst = append(dst, "id: "...)
	dst = id.AppendTo(dst)
	return append(dst, '\n')
}

// value returns the text of a JSON value, null where it is absent: an envelope has to stay JSON.
func value(v event.JSON) []byte {
	if v.IsZero() {
		return []byte("null")
	}
	return v.Bytes()
}

// marshal returns v as JSON, on one line. It is for strings, and structs of strings and numbers, which encoding/json
// cannot refuse.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sse: marshal %T: %v", v, err))
	}
	return text
}
