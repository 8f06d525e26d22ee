package sse

import (
	"errors"
	"fmt"
	"io"
)

// readerChunk is how much a Reader reads at a time, in bytes.
const readerChunk = 4 << 10

// Reader reads the messages of one event stream. It belongs to one goroutine.
type Reader struct {
	source  io.Reader
	decoder *Decoder
	buffer  []byte
	chunk   []byte // what was read and not decoded yet
	err     error  // comes behind chunk
}

// NewReader returns a reader of one stream. It reads nothing before Next. The decoder belongs to it; its LastEventID never
// runs ahead of the messages that Next has returned.
func NewReader(source io.Reader, decoder *Decoder) *Reader {
	return &Reader{source: source, decoder: decoder, buffer: make([]byte, readerChunk)}
}

// Next returns the next message. It blocks for as long as the source does. At the end of the stream it returns io.EOF,
// and drops a block that is incomplete; other errors are the source's, or wrap ErrTooLarge. After an error every call
// returns it again.
func (r *Reader) Next() (Message, error) {
	for {
		rest, dispatched, err := r.decoder.next(r.chunk)
		r.chunk = rest
		switch {
		case err != nil:
			return Message{}, err
		case dispatched:
			return r.decoder.message, nil
		case r.err != nil:
			return Message{}, r.err
		}
		n, err := r.source.Read(r.buffer)
		r.chunk = r.buffer[:n]
		if err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read event stream: %w", err)
		}
		r.err = err
	}
}
