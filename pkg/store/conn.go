package store

import (
	"errors"
	"os"

	"github.com/pushstream/pushstream/pkg/event"
)

// state is where a connection is in its life.
type state uint8

const (
	// catching: it reads the logs, round after round.
	catching state = iota
	// live: frames go straight to it.
	live
	// ending: its bye is queued; nothing follows.
	ending
	// ended: it is closed and forgotten.
	ended
)

// Conn is one reader's connection. All fields belong to its shard's goroutine; the exported methods are safe for
// concurrent use and never block. There are many, and most of them rest: what only some need is apart.
type Conn struct {
	timers

	shard      *shard
	holder     Holder
	credential *Credential // nil for one that is never taken back
	stream     Stream
	seats      []seat
	queue      *queue // nil where nothing waits to be written
	lap        *lap   // nil for most

	cursor event.Position // the last block that the stream took wholly
	filter event.Position // the last block queued: reading goes on behind it
	sure   event.Position // up to here everything came from the logs, whatever the relay did

	index     int32 // in the shard's connections; unattached before and after
	partition int32
	envelope  bool
	state     state
	blocked   bool   // the stream takes nothing until Writable
	dirty     bool   // it is in the shard's list of those to flush
	requested bool   // a round is under way
	gathering bool   // live frames are gathered for the end of the round
	toldLive  bool   // pushstream.live was queued
	goodbye   Reason // why it is ending
	old       Reason // why it ends at expires
}

// unattached is the index of a connection that its shard does not have.
const unattached = -1

// seat is a log that a connection reads, and where in the shard's readers of the log it stands.
type seat struct {
	log   *Log
	place int32
}

// lap is what some connections need to catch up.
type lap struct {
	pollAt   moment    // before this no round begins
	apart    []Reading // logs that it has read up to another position than filter: see Conn.advance
	rewinds  []Reading // the same, noted while a round is under way
	gathered []message
	size     int // of gathered, in bytes
}

// timers is what a connection waits for.
type timers struct {
	next, previous *Conn  // in the same slot of the wheel
	due            moment // the time of that slot; 0 in none
	wrote          moment // when the stream last took bytes
	opened         moment // when it was attached
	expires        moment // when it has reached its age, or its credential expires
	endAt          moment // when a drain says goodbye to it; for an ending one, when it is closed whatever was taken
}

func newConn(s *shard, a *Attachment) *Conn {
	start := a.Cursor
	if start.IsZero() {
		start = a.Fence
	}
	c := &Conn{
		shard: s, holder: a.Holder, credential: a.Credential, stream: a.Stream, seats: make([]seat, len(a.Logs)),
		cursor: a.Cursor, filter: start, sure: start,
		index: unattached, partition: int32(a.Partition), envelope: a.Envelope, //nolint:gosec // partitions are few
	}
	for i, log := range a.Logs {
		c.seats[i].log = log
	}
	return c
}

// Writable says that the stream can take bytes again. The stream's owner calls it.
func (c *Conn) Writable() {
	c.shard.inbox.do(func() { c.shard.writable(c) })
}

// Gone says that the stream ended by itself: the reader hung up, or took nothing for too long, which is an error that
// wraps os.ErrDeadlineExceeded. The stream's owner calls it.
func (c *Conn) Gone(err error) {
	reason := ReasonGone
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = ReasonStalled
	}
	c.shard.inbox.do(func() { c.shard.end(c, reason) })
}

// Fill answers the Request that was made for the connection.
func (c *Conn) Fill(r Round) {
	c.shard.inbox.do(func() { c.shard.fill(c, r) })
}

// after returns up to where the connection has read a log.
func (c *Conn) after(log *Log) event.Position {
	if c.lap != nil {
		for _, a := range c.lap.apart {
			if a.Log == log {
				return a.After
			}
		}
	}
	return c.filter
}

// needs returns the connection's lap.
func (c *Conn) needs() *lap {
	if c.lap == nil {
		c.lap = &lap{}
	}
	return c.lap
}

// even reports whether all logs have been read up to the filter.
func (c *Conn) even() bool { return c.lap == nil || len(c.lap.apart) == 0 }

// setApart notes that a log is read up to another position than the filter.
func (c *Conn) setApart(r Reading) {
	l := c.needs()
	for i := range l.apart {
		if l.apart[i].Log == r.Log {
			l.apart[i] = r
			return
		}
	}
	l.apart = append(l.apart, r)
}

// advance notes that all logs have been read up to through, those excepted that are further. A log stands apart for as
// long as its own position is not the filter: it is behind after a rewind, and ahead after a gap that was told up to a
// fence.
func (c *Conn) advance(through event.Position) {
	c.filter = c.filter.Later(through)
	if c.even() {
		return
	}
	kept := c.lap.apart[:0]
	for _, a := range c.lap.apart {
		if a.After = a.After.Later(through); a.After.Compare(c.filter) != 0 {
			kept = append(kept, a)
		}
	}
	c.lap.apart = kept
}

// rewind has a log read again behind an earlier position. Where it is to be read from the filter or later, that happens
// anyway.
func (c *Conn) rewind(r Reading) {
	if c.filter.After(r.After) && c.after(r.Log).After(r.After) {
		c.setApart(r)
	}
}

// scatter drops what was gathered, if anything: the round will not be the last.
func (c *Conn) scatter() (gathered []message) {
	c.gathering = false
	if c.lap != nil {
		gathered = c.lap.gathered
		c.lap.gathered, c.lap.size = nil, 0
	}
	return gathered
}

// block is something to be written.
type block struct {
	bytes    []byte
	position event.Position // the cursor once the block is taken; zero leaves the cursor as it is
	event    bool           // counts as delivered
	relayed  bool           // came by the relay, so that it can be dropped and read again
}

// pollAt returns the time before which no round begins.
func (c *Conn) pollAt() moment {
	if c.lap == nil {
		return 0
	}
	return c.lap.pollAt
}

// queue is what waits to be written, in order.
type queue struct {
	blocks []block
	begun  int // bytes of the first block that the stream has taken; a begun block is always finished
	bytes  int // of all blocks, less begun
}

// empty reports whether nothing waits. No queue is an empty one.
func (q *queue) empty() bool { return q == nil || len(q.blocks) == 0 }

// fits reports whether so many bytes more may wait. What comes first always may.
func (q *queue) fits(bytes, most int) bool { return q == nil || q.bytes == 0 || q.bytes+bytes <= most }

func (q *queue) push(b block) {
	q.blocks = append(q.blocks, b)
	q.bytes += len(b.bytes)
}

// vector appends the waiting bytes to room, of at most so many blocks.
func (q *queue) vector(room [][]byte, most int) (vector [][]byte, bytes int) {
	begun := q.begun
	for _, b := range q.blocks[:min(most, len(q.blocks))] {
		if len(b.bytes) > begun {
			room = append(room, b.bytes[begun:])
			bytes += len(b.bytes) - begun
		}
		begun = 0
	}
	return room, bytes
}

// taken notes that the stream took n bytes, and calls whole for each block of which nothing is left.
func (q *queue) taken(n int, whole func(*block)) {
	q.bytes -= n
	q.begun += n
	done := 0
	for done < len(q.blocks) && q.begun >= len(q.blocks[done].bytes) {
		q.begun -= len(q.blocks[done].bytes)
		whole(&q.blocks[done])
		done++
	}
	q.blocks = append(q.blocks[:0], q.blocks[done:]...)
	clear(q.blocks[len(q.blocks):cap(q.blocks)])
}

// abandon drops all blocks that are not begun.
func (q *queue) abandon() {
	keep := min(len(q.blocks), 1)
	if q.begun == 0 {
		keep = 0
	}
	for _, b := range q.blocks[keep:] {
		q.bytes -= len(b.bytes)
	}
	clear(q.blocks[keep:])
	q.blocks = q.blocks[:keep]
}

// cut drops the first relayed block that is not begun and all behind it. What stays came from the logs, and is bounded
// by what a round may hold. It returns the position that the reader will have; zero if no block that stays has one.
func (q *queue) cut() event.Position {
	var last event.Position
	for i, b := range q.blocks {
		if b.relayed && (i > 0 || q.begun == 0) {
			for _, dropped := range q.blocks[i:] {
				q.bytes -= len(dropped.bytes)
			}
			clear(q.blocks[i:])
			q.blocks = q.blocks[:i]
			break
		}
		if !b.position.IsZero() {
			last = b.position
		}
	}
	return last
}
