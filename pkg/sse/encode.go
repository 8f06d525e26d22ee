package sse

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Message is one block of an event stream (HTML, sections 9.2.5 and 9.2.6).
type Message struct {
	// ID is the last event id: what a reader comes back with. To the encoder it is the block's own id, written where
	// HasID is set; an empty one makes readers forget theirs. From the decoder it is the one that holds for the block,
	// be it the block's own or an earlier one's.
	ID string
	// HasID says that the block itself has an id field.
	HasID bool
	// Type is the event's name. The encoder writes none where it is empty; the decoder then says "message".
	Type string
	// Data is the event's text. Line ends of any kind arrive as LF.
	Data string
	// Retry is how long a reader waits before it comes back, in whole milliseconds, where HasRetry is set.
	Retry time.Duration
	// HasRetry says that the block has a retry field.
	HasRetry bool
}

// AppendMessage appends the block of m to dst. It is always dispatched by readers: data that is empty becomes one empty
// data field. Data may have any bytes; each of its lines, however it ends, becomes a data field of its own.
//
// An id or a type with CR, LF or NUL, and a negative Retry, return an error that wraps ErrField, and dst unchanged: a line
// end would let the value write fields of its own, and readers ignore an id with NUL (HTML, section 9.2.6).
func AppendMessage(dst []byte, m Message) ([]byte, error) {
	switch {
	case m.HasID && strings.ContainsAny(m.ID, "\r\n\x00"):
		return dst, fmt.Errorf("encode id %+q: %w", m.ID, ErrField)
	case strings.ContainsAny(m.Type, "\r\n\x00"):
		return dst, fmt.Errorf("encode type %+q: %w", m.Type, ErrField)
	case m.HasRetry && m.Retry < 0:
		return dst, fmt.Errorf("encode retry %v: %w", m.Retry, ErrField)
	}
	if m.HasRetry {
		dst = appendRetry(dst, m.Retry)
	}
	if m.HasID {
		dst = append(append(append(dst, "id: "...), m.ID...), '\n')
	}
	if m.Type != "" {
		dst = append(append(append(dst, "event: "...), m.Type...), '\n')
	}
	for rest, more := m.Data, true; more; {
		var line string
		line, rest, more = cutLine(rest)
		dst = append(append(append(dst, "data: "...), line...), '\n')
	}
	return append(dst, '\n'), nil
}

// cutLine returns the text up to the first CRLF, CR or LF and what follows it; more is false where there is none.
func cutLine(text string) (line, rest string, more bool) {
	end := strings.IndexAny(text, "\r\n")
	if end < 0 {
		return text, "", false
	}
	if strings.HasPrefix(text[end:], "\r\n") {
		return text[:end], text[end+2:], true
	}
	return text[:end], text[end+1:], true
}

func appendRetry(dst []byte, d time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, d.Milliseconds(), 10)
	return append(dst, '\n')
}
