package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// maxLine bounds what is kept of a line whose end has not come, in bytes. The server's own limits are far lower.
	maxLine = 1 << 20
	// keepLine is the largest buffer that a reader keeps for its next line: readers are many.
	keepLine = 256
)

var (
	errNoStream = errors.New("what answers is no event stream; give the URL of a node, or of a balancer in front of nodes")
	errNotHTTP  = errors.New("what answers does not speak HTTP/1.1")
)

// refusal is an answer other than 200.
type refusal struct {
	status int
	after  time.Duration // Retry-After
}

// Error returns the status.
func (r refusal) Error() string { return fmt.Sprintf("status %d", r.status) }

// stage is what part of an answer comes next.
type stage uint8

const (
	stageHead      stage = iota
	stageBody            // up to the end of the connection
	stageSize            // of a chunk (RFC 9112, section 7.1)
	stageExtension       // of a chunk: skipped
	stageChunk
	stageChunkEnd // the line end behind a chunk
	stageLast     // the last chunk has come
)

// kind is what a block says.
type kind uint8

const (
	kindOther kind = iota
	kindEvent      // one of this run's own
	kindHello
	kindGap
	kindLive
	kindBye
)

// wire reads the answer to GET /events as it comes, cut anywhere: head, chunks, blocks. It makes no garbage for an event and
// keeps little, which is why readers do not have a sse.Decoder each; and it knows that PushStream's blocks have the event field
// before the data field, and no line ends but LF. A zero wire is ready for an answer.
type wire struct {
	stage   stage
	chunked bool
	typed   bool // the head has said that it is an event stream
	status  int
	after   time.Duration // Retry-After
	left    int64         // of a chunk
	rest    []byte        // a line whose end has not come

	kind    kind
	hasData bool
	hasID   bool
	number  uint64        // an event's
	stamp   time.Duration // when it was sent
	note    string        // the data of a block of the server's own
	id      []byte        // the id of a block that is not complete
	cursor  []byte        // where to go on
	retry   time.Duration // how soon to come back after an end without a goodbye
}

// reset makes it ready for the next answer. Where to go on stays.
func (w *wire) reset() {
	*w = wire{rest: w.rest[:0], id: w.id[:0], cursor: w.cursor, retry: w.retry}
}

// feed takes the next bytes and calls block for each block that they complete. After an error there is no going on.
func (w *wire) feed(b []byte, block func() error) error {
	for len(b) > 0 {
		var err error
		switch w.stage {
		case stageHead:
			b, err = w.head(b)
		case stageBody:
			return w.text(b, block)
		case stageSize, stageExtension, stageChunkEnd:
			b, err = w.frame(b)
		case stageChunk:
			n := min(int64(len(b)), w.left)
			if err = w.text(b[:n], block); err == nil {
				b = b[n:]
				if w.left -= n; w.left == 0 {
					w.stage = stageChunkEnd
				}
			}
		case stageLast:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line cuts a line off. Where its end has not come, it keeps what there is. The line counts until the next call.
func (w *wire) line(b []byte) (line, behind []byte, err error) {
	line, behind, found := bytes.Cut(b, []byte("\n"))
	if !found {
		if w.rest = append(w.rest, b...); len(w.rest) > maxLine {
			return nil, nil, fmt.Errorf("a line has over %d bytes", maxLine)
		}
		return nil, nil, nil
	}
	if len(w.rest) > 0 {
		line = append(w.rest, line...)
		if w.rest = line[:0]; cap(line) > keepLine {
			w.rest = nil
		}
	}
	return bytes.TrimSuffix(line, []byte("\r")), behind, nil
}

// head takes one line of the head.
func (w *wire) head(b []byte) ([]byte, error) {
	line, b, err := w.line(b)
	switch {
	case b == nil:
		return nil, err
	case w.status == 0:
		return b, w.statusLine(line)
	case len(line) > 0:
		return b, w.header(line)
	case w.status/100 == 1: // another head follows
		w.status = 0
		return b, nil
	case w.status != 200:
		return nil, refusal{w.status, w.after}
	case !w.typed:
		return nil, errNoStream
	}
	if w.stage = stageBody; w.chunked {
		w.stage = stageSize
	}
	return b, nil
}

func (w *wire) statusLine(line []byte) error {
	version, status, _ := bytes.Cut(line, []byte(" "))
	code, err := strconv.Atoi(string(status[:min(len(status), 3)]))
	if err != nil || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return errNotHTTP
	}
	w.status = code
	return nil
}

func (w *wire) header(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.ToLower(bytes.TrimSpace(value))
	switch string(bytes.ToLower(name)) {
	case "content-type":
		w.typed = bytes.HasPrefix(value, []byte("text/event-stream"))
	case "content-encoding":
		if string(value) != "identity" {
			return errors.New("the stream is compressed, which was not asked for: have the proxy leave text/event-stream alone")
		}
	case "transfer-encoding":
		w.chunked = string(value) == "chunked"
	case "retry-after":
		if seconds, err := strconv.ParseUint(string(value), 10, 16); err == nil {
			w.after = time.Duration(seconds) * time.Second
		}
	}
	return nil
}

// frame takes what stands between chunks.
func (w *wire) frame(b []byte) ([]byte, error) {
	for i, c := range b {
		digit, isDigit := hex(c)
		switch {
		case c == '\n' && w.stage == stageChunkEnd:
			w.stage, w.left = stageSize, 0
		case c == '\n' && w.left == 0:
			w.stage = stageLast
			return nil, nil
		case c == '\n':
			w.stage = stageChunk
			return b[i+1:], nil
		case c == '\r', w.stage == stageExtension:
		case w.stage == stageSize && isDigit && w.left < math.MaxInt32:
			w.left = w.left<<4 | digit
		case w.stage == stageSize && c == ';':
			w.stage = stageExtension
		default:
			return nil, fmt.Errorf("%w: a chunk is not as long as it says", errNotHTTP)
		}
	}
	return nil, nil
}

func hex(c byte) (digit int64, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c|' ' >= 'a' && c|' ' <= 'f':
		return int64(c|' '-'a') + 10, true
	}
	return 0, false
}

// text takes bytes of the event stream.
func (w *wire) text(b []byte, block func() error) error {
	for len(b) > 0 {
		line, behind, err := w.line(b)
		if behind == nil {
			return err
		}
		b = behind
		if len(line) > 0 {
			w.field(line)
			continue
		}
		if err = w.dispatch(block); err != nil {
			return err
		}
	}
	return nil
}

// field takes one line of a block.
func (w *wire) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		w.id, w.hasID = append(w.id[:0], value...), true
	case "event":
		w.kind = kindOf(value)
	case "data":
		w.data(value)
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			w.retry = time.Duration(ms) * time.Millisecond
		}
	}
}

func kindOf(name []byte) kind {
	switch string(name) {
	case eventType:
		return kindEvent
	case event.ReservedPrefix + "hello":
		return kindHello
	case event.ReservedPrefix + "gap":
		return kindGap
	case event.ReservedPrefix + "live":
		return kindLive
	case event.ReservedPrefix + "bye":
		return kindBye
	}
	return kindOther
}

func (w *wire) data(value []byte) {
	w.hasData = true
	switch w.kind {
	case kindEvent:
		var ok bool
		if w.number, w.stamp, ok = parsePayload(value); !ok {
			w.kind = kindOther
		}
	case kindHello, kindGap, kindBye:
		w.note = string(value)
	case kindOther, kindLive:
	}
}

// dispatch ends a block. Only now its id counts: a block that is cut off has to come again.
func (w *wire) dispatch(block func() error) error {
	if w.hasID {
		w.cursor, w.id = w.id, w.cursor
	}
	var err error
	if w.hasData {
		err = block()
	}
	w.kind, w.hasID, w.hasData, w.note = kindOther, false, false, ""
	return err
}
