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
	//
	// A stream whose reader takes no byte for too long ends itself, and says so by the connection's Gone.
	Write(blocks [][]byte) (int, error)
	// Close ends the connection after what was taken has been written, within the stream's own time limit. It returns
	// at once. Nothing is taken after it.
	Close()
}

// Holder is whom a connection was attached for. The shard that owns the connection calls it, and it must not block.
type Holder interface {
	// ID names the connection.
	ID() string
	// Address is where its reader is, for people to read.
	Address() string
	// Closed is called once, when the connection has ended, with the logs that it was attached to.
	Closed(logs []*Log, reason Reason)
}

// Frame is one event, encoded once for each form of the wire and shared by every connection that it goes to. It is safe
// for concurrent use.
type Frame interface {
	// Position is the event's place; zero for one that is live only.
	Position() event.Position
	// Size is what the frame counts in a bound on memory, in bytes.
	Size() int
	// Block returns the bytes of the plain or of the envelope form. They must not be changed.
	Block(envelope bool) []byte
	// Under returns the same event under another id than its own: for a reader whose cursor has passed it already.
	Under(envelope bool, id event.Position) []byte
}

// Controls encodes what the node itself says to a reader. A zero cursor writes no id. It is safe for concurrent use.
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

// Backlog reads for a connection what it has missed.
type Backlog interface {
	// Read asks for one round. It never blocks. What is at hand it returns at once; otherwise the answer comes by
	// r.Conn.Fill, exactly once, unless the node is stopping.
	Read(r Request) (round Round, atOnce bool)
}

// Request asks for what one connection has missed.
type Request struct {
	// Conn gets the answer.
	Conn *Conn
	// Partition is the one that all logs are in.
	Partition int
	// Logs says what to read, and after which position each.
	Logs []Reading
	// Fence is a head that was read when the connection's logs were joined: the store has reached it.
	Fence event.Position
}

// Reading is one log and the position up to which a connection has it.
type Reading struct {
	Log   *Log
	After event.Position
}

// Round answers a Request.
type Round struct {
	// Frames are the events, in order of position, none twice.
	Frames []Frame
	// Through is the position up to which all logs have been read, those with a gap excepted.
	Through event.Position
	// Fence is the head that was read before the logs. Logs with a gap go on from there.
	Fence event.Position
	// Gaps tells which logs could not be given in full.
	Gaps []Gap
	// Relayed says that the round is what the relay has passed on, and not from the logs.
	Relayed bool
	// Err says that the logs could not be read; nothing else is set then.
	Err error
}

// Complete reports whether the round reached the head.
func (r Round) Complete() bool { return r.Err == nil && r.Through == r.Fence }

// Gap names logs whose history cannot be given in full, for one reason.
type Gap struct {
	Reason event.GapReason
	Logs   []*Log
}

// Metrics counts what shards do. It is safe for concurrent use.
type Metrics interface {
	// Delivered counts events and bytes that sockets took. Bytes include control blocks.
	Delivered(events, bytes int)
	// Replayed counts events that a reader was given while it caught up, read from logs or at hand.
	Replayed(events int)
	// CatchingUp counts connections that start (+1) or end (-1) catching up.
	CatchingUp(delta int)
	// GapTold counts the targets of a gap that a reader was told of.
	GapTold(reason event.GapReason, targets int)
	// DeliveryLatency takes the time between a frame's arrival at the node and the first write of it by a shard.
	DeliveryLatency(d time.Duration)
	// InboxOverflow counts shards that fell behind and sent their connections back to the logs.
	InboxOverflow()
}
