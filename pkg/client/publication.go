package client

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/pushstream/pushstream/pkg/event"
)

// Publication is an event as it is published.
type Publication struct {
	// Targets says whom it is for: user:ID, session:ID, topic:NAME or all. One or more, at most 100.
	Targets []string
	// Type is what happened, as domain.action: order.created.
	Type string
	// Data is any value that encoding/json can write. A json.RawMessage is sent as it stands; nil is null.
	Data any
	// Meta is for readers that want more than the data: nil for none, or what encoding/json writes as an object.
	Meta any
	// Key names the event, at most 200 bytes: for a target that had an event of that key lately nothing is stored, and
	// the result is the first one's. Where it is empty, a random one is sent: that covers the attempts of one call, but not
	// the death of the process between two calls. A name that follows from what happened does.
	Key string
	// LiveOnly passes the event on to those who are connected, and stores nothing. It has no id and no promise, and may
	// come twice.
	LiveOnly bool
}

// Result is what became of an event.
type Result struct {
	// Key is the key that was sent.
	Key string
	// ID is the event's, where it has one target; empty for one that is live only.
	ID string
	// IDs are the event's, by target, where it has more than one.
	IDs map[string]string
	// Err says why an event of a batch was not stored, or is not known to be; nil where it was.
	Err error
}

// encode returns the event as the server wants it, and its key. It refuses what encoding/json would make something else
// of, like a target that is not UTF-8; its errors wrap ErrInvalid.
func (p *Publication) encode() (body []byte, key string, err error) {
	if len(p.Targets) == 0 {
		return nil, "", fmt.Errorf("%w event: it has no target", ErrInvalid)
	}
	for _, target := range p.Targets {
		if _, err = event.ParseTarget(target); err != nil {
			return nil, "", err
		}
	}
	if _, err = event.ParseType(p.Type); err != nil {
		return nil, "", err
	}
	key = p.Key
	if key == "" {
		key = rand.Text()
	}
	if !utf8.ValidString(key) {
		return nil, "", fmt.Errorf("%w key: it is not UTF-8", ErrInvalid)
	}
	data, err := encodeValue(p.Data)
	if err != nil {
		return nil, "", fmt.Errorf("data: %w", err)
	}
	b := bytes.NewBuffer(make([]byte, 0, len(data)+256))
	if len(p.Targets) == 1 {
		field(b, `{"target":`, p.Targets[0])
	} else {
		field(b, `{"targets":`, p.Targets)
	}
	field(b, `,"type":`, p.Type)
	field(b, `,"key":`, key)
	if p.LiveOnly {
		b.WriteString(`,"live_only":true`)
	}
	if p.Meta != nil {
		var meta []byte
		if meta, err = encodeValue(p.Meta); err != nil {
			return nil, "", fmt.Errorf("meta: %w", err)
		}
		b.WriteString(`,"meta":`)
		b.Write(meta)
	}
	b.WriteString(`,"data":`)
	b.Write(data)
	b.WriteByte('}')
	return b.Bytes(), key, nil
}

// field appends a name and a value that can always be written.
func field(b *bytes.Buffer, name string, value any) {
	b.WriteString(name)
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings only
	}
	b.Write(text)
}

// encodeValue returns a value as one JSON text. Raw ones are kept as they stand: numbers keep their spelling, and "<" is not
// escaped.
func encodeValue(v any) ([]byte, error) {
	raw, isRaw := v.(json.RawMessage)
	if !isRaw || raw == nil {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		raw = b.Bytes()
	}
	text, err := event.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}
