package bench

import "time"

// phase is what a reader is doing.
type phase uint8

const (
	// phaseIdle: its turn has not come.
	phaseIdle phase = iota
	// phaseConnecting: its connection is on the way.
	phaseConnecting
	// phaseAsking: connected, and no hello yet.
	phaseAsking
	// phaseOpen: the server has said hello. From here on it misses nothing.
	phaseOpen
	// phaseParting: the server has said goodbye, and has not ended the connection.
	phaseParting
	// phaseWaiting: it has no connection, and comes back at its time.
	phaseWaiting
	// phaseEnded: it does not come back.
	phaseEnded
	phases
)

// reader is one reader. There may be a million: what it has besides its socket should stay under 1 KiB. Times count from the
// begin of the run.
type reader struct {
	phase    phase
	live     bool   // it has been live, once: it is one of those that are measured
	failures uint8  // how many connections in a row did not become a stream
	target   int32  // what it reads
	place    int32  // which endpoint it began with
	turn     uint32 // which of its connections this is
	began    time.Duration
	heard    time.Duration // when the last bytes came
	silence  time.Duration // after which the connection is taken for dead
	wake     time.Duration // when it comes back
	wire     wire
	tally    tally
}

// endpoint returns where its next connection goes: on from one that ended to the next, as every client does.
func (r *reader) endpoint(n int) int { return (int(r.place) + int(r.turn)) % n }
