package sse

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Decoder reads an event stream that comes in chunks, cut anywhere, as HTML, section 9.2.6, says. It belongs to one
// goroutine. What it keeps in memory is bounded by its limit.
type Decoder struct {
	limit int

	partial []byte // a line whose end has not come yet
	begun   bool   // the first line, which may have a byte order mark, is behind
	afterCR bool   // an LF that comes next belongs to the CR before it

	block    Message // what the block has said so far; ID goes on from block to block
	data     []byte  // its data, with an LF behind each line
	message  Message // the last one that was dispatched
	lastID   string
	retry    time.Duration
	hasRetry bool
	err      error
}

// NewDecoder returns a decoder of a fresh stream. A line, and the data of a block, may have at most limit bytes.
func NewDecoder(limit int) *Decoder { return &Decoder{limit: limit} }

// Reset makes the decoder ready for a new stream. The browser's rule is that the last event id outlives a connection:
// give what LastEventID returned, or what the reader came with. The retry time outlives it by itself.
func (d *Decoder) Reset(lastEventID string) {
	*d = Decoder{
		limit:   d.limit,
		partial: d.partial[:0],
		data:    d.data[:0],
		block:   Message{ID: lastEventID},
		lastID:  lastEventID,
		retry:   d.retry, hasRetry: d.hasRetry,
	}
}

// LastEventID returns the id to come back with. A block sets it when its blank line comes, also one that has no data and
// is not dispatched.
func (d *Decoder) LastEventID() string { return d.lastID }

// Retry returns how long the stream asks its reader to wait before it comes back; ok is false where it has not said so. A
// retry field counts at once, whatever becomes of its block.
func (d *Decoder) Retry() (wait time.Duration, ok bool) { return d.retry, d.hasRetry }

// Feed gives the decoder the next bytes, which it does not keep, and calls yield for each message that they complete. An
// incomplete block at the end of a stream is to be dropped: just feed no more.
//
// It returns an error that wraps ErrTooLarge, or what yield returned. Then the rest of the chunk is lost, and every later
// call returns the same error, until Reset.
func (d *Decoder) Feed(chunk []byte, yield func(Message) error) error {
	for {
		rest, dispatched, err := d.next(chunk)
		if err != nil || !dispatched {
			return err
		}
		if d.err = yield(d.message); d.err != nil {
			return d.err
		}
		chunk = rest
	}
}

// next reads chunk up to the end of the first message in it, d.message, and returns the bytes behind it. Where it
// dispatched none, it has read all.
func (d *Decoder) next(chunk []byte) (rest []byte, dispatched bool, err error) {
	for len(chunk) > 0 && d.err == nil {
		if d.afterCR {
			d.afterCR = false
			if chunk[0] == '\n' {
				chunk = chunk[1:]
				continue
			}
		}
		line, end := chunk, bytes.IndexAny(chunk, "\r\n")
		if end >= 0 {
			line = chunk[:end]
		}
		if len(d.partial)+len(line) > d.limit {
			d.err = fmt.Errorf("decode line of more than %d bytes: %w", d.limit, ErrTooLarge)
			break
		}
		if end < 0 {
			d.partial = append(d.partial, line...)
			break
		}
		if len(d.partial) > 0 {
			d.partial = append(d.partial, line...)
			line = d.partial
		}
		d.afterCR = chunk[end] == '\r'
		chunk = chunk[end+1:]
		dispatched = d.line(line)
		d.partial = d.partial[:0]
		if dispatched {
			return chunk, true, nil
		}
	}
	return nil, false, d.err
}

// line takes one whole line without its end, and reports whether it completed a message.
func (d *Decoder) line(line []byte) (dispatched bool) {
	if !d.begun {
		d.begun = true
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	if len(line) == 0 {
		return d.dispatch()
	}
	// A comment has an empty name, which is no field's. A line without a colon is all name.
	name, text, _ := bytes.Cut(line, []byte(":"))
	text = bytes.TrimPrefix(text, []byte(" "))
	switch string(name) {
	case "data":
		d.data = append(appendUTF8(d.data, text), '\n')
		if len(d.data)-1 > d.limit {
			d.err = fmt.Errorf("decode data of more than %d bytes: %w", d.limit, ErrTooLarge)
		}
	case "event":
		d.block.Type = string(appendUTF8(nil, text))
	case "id":
		if bytes.IndexByte(text, 0) < 0 {
			d.block.ID, d.block.HasID = string(appendUTF8(nil, text)), true
		}
	case "retry":
		if wait, ok := parseRetry(text); ok {
			d.retry, d.hasRetry = wait, true
			d.block.Retry, d.block.HasRetry = wait, true
		}
	}
	return false
}

// dispatch ends the block. The last event id moves even if there is no data and so no message.
func (d *Decoder) dispatch() bool {
	d.lastID = d.block.ID
	m := d.block
	d.block = Message{ID: d.lastID}
	if len(d.data) == 0 {
		return false
	}
	m.Data = string(d.data[:len(d.data)-1])
	d.data = d.data[:0]
	if m.Type == "" {
		m.Type = "message"
	}
	d.message = m
	return true
}

// parseRetry reads digits and nothing else. A number that no Duration can hold becomes the longest whole one.
func parseRetry(text []byte) (time.Duration, bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	const most = math.MaxInt64 / int64(time.Millisecond)
	ms, err := strconv.ParseInt(string(text), 10, 64)
	if len(text) > 0 && (err != nil || ms > most) {
		ms = most
	}
	return time.Duration(ms) * time.Millisecond, len(text) > 0
}

// appendUTF8 appends text as a UTF-8 decoder reads it (WHATWG Encoding, section 4.1): each longest piece that only begins
// a character, and each byte that cannot stand at all, becomes one U+FFFD. A line end never lies within a character, so
// that decoding line by line gives the same as decoding the stream.
func appendUTF8(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			for size < len(text) && !utf8.FullRune(text[:size+1]) {
				size++
			}
		}
		dst = utf8.AppendRune(dst, r)
		text = text[size:]
	}
	return dst
}
