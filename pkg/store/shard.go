package store

import (
	"context"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// vectorBlocks is how many blocks one Write is offered, as many as one writev(2) takes (IOV_MAX is 1024).
	vectorBlocks = 512
	// keepMessages is the largest batch whose memory is kept for the next one.
	keepMessages = 4096
	// keepBlocks is the largest queue whose memory is kept for another one, and keepAll how many blocks of all such queues are:
	// an event for a hundred thousand readers needs as many queues at once.
	keepBlocks = 64
	keepAll    = 1 << 17
)

// shard owns connections. Its methods run on its own goroutine only; everything else goes through the inbox.
type shard struct {
	store   *Store
	number  int
	inbox   *inbox
	parts   []part
	conns   []*Conn
	readers map[*Log][]reader
	wheel   wheel
	now     moment // of the present batch
	pings   struct{ plain, envelope pinged }
	spare   []*queue // memory of those that are empty now
	spared  int      // blocks that it has room for

	dirty   []*Conn  // to be flushed at the end of the batch
	doomed  []doomed // to be ended at the end of the batch, when nothing iterates over readers
	scratch [][]byte
	room    []message

	delivered, deliveredBytes, replayed int // of the present batch

	draining bool
	spread   time.Duration
	drained  chan struct{}
}

// part is a partition, as far as this shard has been told.
type part struct {
	vouched  bool
	progress event.Position
}

// reader is a connection that reads a log, and which of its seats the log has.
type reader struct {
	conn *Conn
	seat int32
}

type doomed struct {
	conn   *Conn
	reason Reason
}

func newShard(store *Store, number, partitions int) *shard {
	s := &shard{
		store:   store,
		number:  number,
		parts:   make([]part, partitions),
		readers: make(map[*Log][]reader),
		drained: make(chan struct{}),
	}
	s.inbox = newInbox(store.cfg.InboxEvents, store.cfg.InboxBytes, s.overflow)
	return s
}

// run works until ctx ends, and closes what is left then.
func (s *shard) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.stop()
			return
		case <-s.inbox.wake:
			s.now = s.store.moment()
			messages := s.inbox.take(s.room)
			s.room = nil
			s.batch(messages)
		case <-ticker.C:
			s.now = s.store.moment()
			s.wheel.turn(s.now, s.look)
			s.batch(nil)
		}
	}
}

// stop ends all connections at once, also those that were attached last.
func (s *shard) stop() {
	for _, m := range s.inbox.close() {
		if m.do != nil {
			m.do()
		}
	}
	for len(s.conns) > 0 {
		s.end(s.conns[len(s.conns)-1], ReasonStopped)
	}
}

// batch takes messages in order and then writes to each connection concerned once: at rest an event leaves at once, under
// load writes coalesce by themselves.
func (s *shard) batch(messages []message) {
	for _, m := range messages {
		if m.do != nil {
			m.do()
		} else {
			s.fanOut(m)
		}
	}
	for i := 0; i < len(s.dirty); { // flushing may add some
		c := s.dirty[i]
		i++
		c.dirty = false
		s.flush(c)
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	for _, d := range s.doomed {
		s.end(d.conn, d.reason)
	}
	clear(s.doomed)
	s.doomed = s.doomed[:0]
	s.count(messages)
	clear(messages)
	if messages != nil && cap(messages) <= keepMessages {
		s.room = messages
	}
}

// count reports the batch to the metrics.
func (s *shard) count(messages []message) {
	m := s.store.metrics
	for i := range messages {
		if messages[i].frame != nil {
			m.DeliveryLatency(time.Since(messages[i].arrived))
		}
	}
	if s.deliveredBytes > 0 {
		m.Delivered(s.delivered, s.deliveredBytes)
	}
	if s.replayed > 0 {
		m.Replayed(s.replayed)
	}
	s.delivered, s.deliveredBytes, s.replayed = 0, 0, 0
}

// attach begins a connection's life.
func (s *shard) attach(c *Conn, a *Attachment) {
	c.index = int32(len(s.conns)) //nolint:gosec // as many as there are descriptors
	s.conns = append(s.conns, c)
	for i := range c.seats {
		seat := &c.seats[i]
		readers := s.readers[seat.log]
		if len(readers) == 0 {
			seat.log.route(s.number, true)
		}
		seat.place = int32(len(readers)) //nolint:gosec // no more than connections
		s.readers[seat.log] = append(readers, reader{c, int32(i)})
	}
	c.opened, c.wrote = s.now, s.now
	if age := s.store.cfg.MaxAge; age > 0 {
		c.expires, c.old = s.now.after(age-age/5+jitter(age/5*2)), ReasonMaxAge
	}
	if a.Credential != nil && !a.Credential.Expires.IsZero() {
		if end := max(1, s.now.after(time.Until(a.Credential.Expires))); c.expires == 0 || end < c.expires {
			c.expires, c.old = end, ReasonExpired
		}
	}
	s.store.metrics.CatchingUp(+1)
	s.push(c, block{bytes: a.Hello, position: a.Cursor})
	if a.Cursor.IsZero() {
		s.tellGap(c, Gap{Reason: event.GapLost, Logs: a.Logs}, event.Position{})
		s.push(c, block{position: a.Fence})
	}
	if s.draining {
		c.endAt = s.now
	}
	s.schedule(c)
	s.request(c, a.Fence) // what is at hand leaves together with the hello
	s.touch(c)
}

// push queues a block.
func (s *shard) push(c *Conn, b block) {
	if c.queue == nil {
		c.queue = s.unspare()
	}
	c.queue.push(b)
}

// unspare returns an empty queue.
func (s *shard) unspare() *queue {
	if len(s.spare) == 0 {
		return &queue{}
	}
	last := len(s.spare) - 1
	q := s.spare[last]
	s.spared -= cap(q.blocks)
	s.spare[last] = nil
	s.spare = s.spare[:last]
	return q
}

// rest takes an empty queue back: most connections wait for something most of the time.
func (s *shard) rest(c *Conn) {
	q := c.queue
	if q == nil {
		return
	}
	c.queue = nil
	if n := cap(q.blocks); n > 0 && n <= keepBlocks && s.spared+n <= keepAll {
		s.spare = append(s.spare, q)
		s.spared += n
	}
}

// end closes a connection and forgets it. It must not be called while readers are iterated over.
func (s *shard) end(c *Conn, reason Reason) {
	if c.state == ended {
		return
	}
	if c.index != unattached {
		s.forget(c)
	}
	c.state = ended
	c.stream.Close()
	s.store.count.Add(-1)
	logs := make([]*Log, len(c.seats))
	for i := range c.seats {
		logs[i] = c.seats[i].log
	}
	c.holder.Closed(logs, reason)
	// A stream that stalled may know c for as long as it gives its reader, which is longer than all the rest is to be kept.
	c.holder, c.credential, c.stream, c.seats, c.queue, c.lap = nil, nil, nil, nil, nil, nil
	s.checkDrained()
}

// forget undoes attach.
func (s *shard) forget(c *Conn) {
	if c.state == catching {
		s.store.metrics.CatchingUp(-1)
	}
	s.wheel.remove(c)
	last := len(s.conns) - 1
	s.conns[c.index], s.conns[last].index = s.conns[last], c.index
	s.conns[last] = nil
	s.conns, c.index = s.conns[:last], unattached
	for _, seat := range c.seats {
		readers := s.readers[seat.log]
		last := len(readers) - 1
		moved := readers[last]
		readers[seat.place] = moved
		moved.conn.seats[moved.seat].place = seat.place
		readers[last] = reader{}
		if s.readers[seat.log] = readers[:last]; last == 0 {
			delete(s.readers, seat.log)
			seat.log.route(s.number, false)
		}
	}
}

// doom ends a connection at the end of the batch.
func (s *shard) doom(c *Conn, reason Reason) {
	s.doomed = append(s.doomed, doomed{c, reason})
}

// fanOut hands an event to the log's readers.
func (s *shard) fanOut(m message) {
	for _, r := range s.readers[m.log] {
		switch c := r.conn; c.state {
		case live:
			s.relay(c, m.frame)
		case catching:
			s.gather(c, m)
		case ending, ended:
		}
	}
}

// relay queues an event for a live connection. What does not fit in its buffer waits in the logs.
func (s *shard) relay(c *Conn, f Frame) {
	position := f.Position()
	if !position.IsZero() && !position.After(c.filter) {
		return // the same event, for another target of this reader
	}
	b := block{bytes: f.Block(c.envelope), position: position, event: true, relayed: true}
	if !c.queue.fits(len(b.bytes), s.store.cfg.BufferBytes) {
		s.flush(c) // much may have been queued in this batch
		if !c.queue.fits(len(b.bytes), s.store.cfg.BufferBytes) {
			s.fallBack(c)
			return
		}
	}
	s.push(c, b)
	if !position.IsZero() {
		c.filter = position
	}
	s.touch(c)
}

// touch has a connection flushed at the end of the batch.
func (s *shard) touch(c *Conn) {
	if !c.dirty {
		c.dirty = true
		s.dirty = append(s.dirty, c)
	}
}

// flush writes what the stream takes, and does what an empty queue calls for.
func (s *shard) flush(c *Conn) {
	for c.state != ended && !c.blocked && !c.queue.empty() {
		vector, bytes := c.queue.vector(s.scratch[:0], vectorBlocks)
		s.scratch = vector
		n := 0
		if bytes > 0 {
			var err error
			if n, err = c.stream.Write(vector); err != nil {
				c.blocked = true
				s.doom(c, ReasonGone)
				return
			}
		}
		if n > 0 {
			c.wrote = s.now
			s.deliveredBytes += n
		}
		c.blocked = n < bytes
		c.queue.taken(n, func(b *block) {
			if !b.position.IsZero() {
				c.cursor = b.position
			}
			if b.event {
				s.delivered++
			}
		})
	}
	if !c.queue.empty() {
		return
	}
	s.rest(c)
	switch c.state {
	case catching:
		s.request(c, event.Position{})
	case ending:
		s.doom(c, c.goodbye)
	case live, ended:
	}
}

func (s *shard) writable(c *Conn) {
	if c.state == ended {
		return
	}
	c.blocked = false
	c.wrote = s.now
	s.touch(c)
}
