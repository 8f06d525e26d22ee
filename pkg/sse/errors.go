package sse

import (
	"errors"
	"fmt"
	"os"
)

var (
	// ErrField says: a value cannot stand on the line of its field: a CR, LF or NUL in an id, a type or a header, or a
	// negative retry. It would become something else on the wire; refuse it where it came from.
	ErrField = errors.New("value does not fit its field")

	// ErrTooLarge says: a line, or the data of one block, is larger than the decoder's limit. The stream cannot be read
	// on; drop it, and come back with a larger limit.
	ErrTooLarge = errors.New("block too large")

	// ErrClosed says: the stream was closed by its own side. Nothing more can be written; forget it.
	ErrClosed = errors.New("stream closed")

	// ErrHungUp says: the reader, or the network, ended the connection. Forget the stream; the reader may come back.
	ErrHungUp = errors.New("reader hung up")

	// ErrStalled says: the reader took nothing for as long as the stream's Config allows. Forget the stream; the reader
	// may come back. It wraps os.ErrDeadlineExceeded.
	ErrStalled = fmt.Errorf("reader stalled: %w", os.ErrDeadlineExceeded)

	// ErrInput says: the reader sent more than a reader of an event stream has any reason to. Forget the stream.
	ErrInput = errors.New("reader sent too much")
)
