package store

import (
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Stream is the store's end of one reader's socket. Only the shard that owns the connection calls it.
type Stream interface {
	// Write takes bytes from the front of blocks, as many as it can without blocking, and returns how many it took. What
	// it took will be written, in order, unless the connection ends. Where it took fewer than all, and no error, it calls
	// the connection's Writable once it can take more. Blocks are shared between connections: they must not be changed,
	// and may be kept until they are written; the slice that holds them belongs to the caller again on return.
	Write(blocks [][]byte) (int, error)
	// Close ends the connection after what was taken has been written, within the stream's own time limit. It returns
	// at once. Nothing is written after it.
	Close()
}

// Frame is one event, encoded once for each form of the wire and shared by every connection that it goes to. It is safe
// for concurrent use.
type Frame interface {
	// Position is the event's place; zero for one that is live only.
	Position() event.Position
	// Block returns the bytes of the plain or of the envelope form. They must not be changed.
	Block(envelope bool) []byte
	// Under returns the same event under another id than its own: for a reader whose cursor has passed it already.
	Under(envelope bool, id event.Position) []byte
}

// Controls encodes what the node itself says to a reader. A zero cursor writes no id.
type Controls interface {
	// Gap says that the history of targets cannot be given in full.
	Gap(envelope bool, cursor event.Position, targets []event.Target, reason event.GapReason) []byte
	// Live says that the reader has caught up.
	Live(envelope bool, cursor event.Position) []byte
	// Ping breaks a silence.
	Ping(envelope bool, cursor event.Position) []byte
	// Bye announces the end of the stream. The reader should come back after reconnect; not at all where it is negative.
	Bye(envelope bool, reason string, reconnect time.Duration) []byte
}
