package store

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// maxShards is how many a route's bits can name.
const maxShards = 64

// Store is the node's connections. Its methods are safe for concurrent use and never block, Run and Drain excepted.
type Store struct {
	cfg      Config
	controls Controls
	backlog  Backlog
	metrics  Metrics
	shards   []*shard
	next     atomic.Uint64 // where the next connection goes
	count    atomic.Int64
	made     time.Time
}

// New returns a store for connections in so many partitions, all of them in doubt. It starts nothing.
func New(cfg Config, partitions int, controls Controls, backlog Backlog, metrics Metrics) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure store: %w", err)
	}
	s := &Store{cfg: cfg, controls: controls, backlog: backlog, metrics: metrics, made: time.Now()}
	for i := range cfg.Shards {
		s.shards = append(s.shards, newShard(s, i, partitions))
	}
	return s, nil
}

// Run runs the shards until ctx ends, and then closes the connections that are left, for ReasonStopped. It is called once.
func (s *Store) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, sh := range s.shards {
		wg.Go(func() { sh.run(ctx) }) // Run owns the shards and joins them
	}
	wg.Wait()
}

// Len returns how many connections there are.
func (s *Store) Len() int { return int(s.count.Load()) }

// Log is one log on this node, for the connections that read it and the events that are dispatched to them. It is known by
// its address: whoever counts the readers makes one, and none of the same name while a connection has it.
type Log struct {
	Name event.LogName

	routes atomic.Uint64 // a bit for each shard that has readers of the log
}

// route notes whether a shard has readers. Only that shard calls it.
func (l *Log) route(shard int, readers bool) {
	bit := uint64(1) << shard
	if readers {
		l.routes.Or(bit)
	} else {
		l.routes.And(^bit)
	}
}

// Dispatch hands an event to the readers of a log. Calls for logs of one partition are made one at a time, in the order
// of the relay.
func (s *Store) Dispatch(log *Log, frame Frame) {
	for route := log.routes.Load(); route != 0; route &= route - 1 {
		s.shards[bits.TrailingZeros64(route)].inbox.event(log, frame)
	}
}

// Doubt sends every connection of the partition back to its logs, and keeps it there until Vouched.
func (s *Store) Doubt(partition int) {
	s.each(func(sh *shard) { sh.doubt(partition) })
}

// Vouched lets connections of the partition go live again.
func (s *Store) Vouched(partition int) {
	s.each(func(sh *shard) { sh.vouch(partition) })
}

// Progress says that everything of the partition up to position has been dispatched.
func (s *Store) Progress(partition int, position event.Position) {
	s.each(func(sh *shard) { sh.parts[partition].progress = position })
}

// Rewind says that events of a log, after from and up to the position through, were never dispatched. Readers of the log
// that may have missed them read it again from there.
func (s *Store) Rewind(log *Log, from, through event.Position) {
	s.each(func(sh *shard) { sh.rewind(log, from, through) })
}

// Drain says goodbye to every connection, each at its own random time within window and with its own random reconnect
// time within spread, and to those that come later at once. It returns when none is left, or when ctx ends.
func (s *Store) Drain(ctx context.Context, window, spread time.Duration) error {
	for _, sh := range s.shards {
		sh.inbox.do(func() { sh.drain(window, spread) })
	}
	for _, sh := range s.shards {
		select {
		case <-sh.drained:
		case <-ctx.Done():
			return fmt.Errorf("drain store: %d connections left: %w", s.Len(), context.Cause(ctx))
		}
	}
	return nil
}

// Attachment is a connection to be.
type Attachment struct {
	// Holder is whom it is for.
	Holder Holder
	// Credential is what its reader has presented; nil for one that is never taken back.
	Credential *Credential
	// Stream is its socket.
	Stream Stream
	// Envelope is the form it gets.
	Envelope bool
	// Partition is the one that its logs are in.
	Partition int
	// Logs are what it may see; they are joined already.
	Logs []*Log
	// Hello is what it is sent first.
	Hello []byte
	// Cursor is how far it has read. Zero: that could not be told, so that it is told of a gap in all its logs.
	Cursor event.Position
	// Fence is where it begins when Cursor is zero: a head that was read after its logs were joined.
	Fence event.Position
}

// Credential is what is to be known of a reader's credential.
type Credential struct {
	// Token names it, within its tenant; empty for none.
	Token string
	// Issued is when it was issued; zero where that is not known.
	Issued time.Time
	// Expires is when it ends, and every stream with it; zero for never.
	Expires time.Time
}

// Attach gives a connection to a shard. It needs a Run. The stream's owner calls the returned connection.
func (s *Store) Attach(a Attachment) *Conn {
	sh := s.shards[s.next.Add(1)%uint64(len(s.shards))]
	c := newConn(sh, &a)
	s.count.Add(1)
	if !sh.inbox.do(func() { sh.attach(c, &a) }) {
		sh.end(c, ReasonStopped) // the shard has ended, nobody else owns c
	}
	return c
}

// each tells every shard something.
func (s *Store) each(f func(*shard)) {
	for _, sh := range s.shards {
		sh.inbox.do(func() { f(sh) })
	}
}

// moment returns the present.
func (s *Store) moment() moment { return moment(time.Since(s.made)) + 1 }

// timeOf returns a moment as the machine's clock had it.
func (s *Store) timeOf(m moment) time.Time { return s.made.Add(time.Duration(m - 1)) }

// jitter returns a random time from 0 up to d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
