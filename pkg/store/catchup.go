package store

import (
	"github.com/pushstream/pushstream/pkg/event"
)

// request asks for the next round, once everything before has been taken: at the reader's pace. While the partition is
// vouched for, every round may be the last, so live frames are gathered from before its fence is read. The store is known
// to have reached fence.
func (s *shard) request(c *Conn, fence event.Position) {
	if c.requested {
		return
	}
	if s.now < c.pollAt() {
		s.schedule(c)
		return
	}
	c.requested = true
	c.gathering = s.parts[c.partition].vouched
	logs := make([]Reading, len(c.seats))
	for i := range c.seats {
		log := c.seats[i].log
		logs[i] = Reading{Log: log, After: c.after(log)}
	}
	request := Request{Conn: c, Partition: int(c.partition), Logs: logs, Fence: fence}
	if round, atOnce := s.store.backlog.Read(request); atOnce {
		s.fill(c, round)
	}
}

// gather keeps an event for the end of the round. When there are too many the round will not be the last.
func (s *shard) gather(c *Conn, m message) {
	if !c.gathering {
		return
	}
	l := c.needs()
	l.gathered = append(l.gathered, m)
	if l.size += m.frame.Size(); l.size > s.store.cfg.BufferBytes {
		c.scatter()
	}
}

// fill takes the answer to a request.
func (s *shard) fill(c *Conn, r Round) {
	if c.state != catching {
		return
	}
	c.requested = false
	last := c.gathering
	gathered := c.scatter()
	if r.Err != nil {
		c.needs().pollAt = s.now.after(s.store.cfg.Poll + jitter(s.store.cfg.Poll))
	} else {
		s.take(c, r)
	}
	if c.lap != nil {
		rewinds := c.lap.rewinds
		c.lap.rewinds = nil
		for _, again := range rewinds {
			c.rewind(again)
		}
	}
	switch {
	case !r.Complete() || !c.even():
	case last:
		s.goLive(c, gathered)
	case !s.parts[c.partition].vouched:
		c.needs().pollAt = s.now.after(s.store.cfg.Poll)
	}
	s.touch(c)
}

// take queues what a round brought: gaps before any newer id, then the events, then the position that it reached.
func (s *shard) take(c *Conn, r Round) {
	sure := c.sure == c.filter
	own := c.filter
	for _, gap := range r.Gaps {
		s.tellGap(c, gap, own)
		if gap.Reason == event.GapLost {
			// The filter is no position of the present history: nothing may be compared to it.
			c.filter = r.Fence
		}
		for _, log := range gap.Logs {
			c.setApart(Reading{Log: log, After: r.Fence})
		}
	}
	for _, f := range r.Frames {
		position := f.Position()
		if position.After(c.filter) {
			c.filter = position
			s.push(c, block{bytes: f.Block(c.envelope), position: position, event: true})
		} else { // read again after a rewind
			s.push(c, block{bytes: f.Under(c.envelope, c.filter), event: true})
		}
	}
	s.replayed += len(r.Frames)
	c.advance(r.Through)
	s.push(c, block{position: c.filter})
	if sure && c.even() && !r.Relayed {
		c.sure = c.filter
	}
}

// tellGap queues a gap under the reader's cursor, so that one who breaks off there is told again.
func (s *shard) tellGap(c *Conn, gap Gap, cursor event.Position) {
	targets := make([]event.Target, len(gap.Logs))
	for i, log := range gap.Logs {
		targets[i] = log.Name.Target
	}
	s.push(c, block{bytes: s.store.controls.Gap(c.envelope, cursor, targets, gap.Reason)})
	s.store.metrics.GapTold(gap.Reason, len(targets))
}

// goLive ends catching up. What was gathered goes on where the logs ended.
func (s *shard) goLive(c *Conn, gathered []message) {
	c.state, c.lap = live, nil
	s.store.metrics.CatchingUp(-1)
	if !c.toldLive {
		c.toldLive = true
		s.push(c, block{bytes: s.store.controls.Live(c.envelope, c.filter), position: c.filter})
	}
	for _, m := range gathered {
		if c.state != live {
			return // too many for the buffer: back to the logs
		}
		s.relay(c, m.frame)
	}
}

// fallBack sends a live connection back to its logs: the one repair.
func (s *shard) fallBack(c *Conn) {
	at := s.position(c)
	c.state = catching
	s.store.metrics.CatchingUp(+1)
	if !c.queue.empty() {
		if at = c.queue.cut(); at.IsZero() {
			at = c.cursor
		}
	}
	c.filter = at
	s.touch(c)
}

// position returns the cursor that a control block carries which is queued now. Progress counts only for a live
// connection that has been given everything.
func (s *shard) position(c *Conn) event.Position {
	if c.state == live && c.queue.empty() {
		return c.filter.Later(s.parts[c.partition].progress)
	}
	return c.filter
}

// distrust makes a connection read the logs behind everything it was given.
func (s *shard) distrust(c *Conn) {
	switch c.state {
	case live:
		s.fallBack(c)
	case catching:
		c.scatter()
	case ending, ended:
	}
}

// doubt distrusts the relay of a partition until vouch.
func (s *shard) doubt(partition int) {
	for _, c := range s.conns {
		if int(c.partition) == partition {
			s.distrust(c)
		}
	}
	s.parts[partition] = part{}
}

// vouch lets connections go live again, after one more round.
func (s *shard) vouch(partition int) {
	s.parts[partition].vouched = true
	for _, c := range s.conns {
		if int(c.partition) == partition && c.state == catching {
			if c.lap != nil {
				c.lap.pollAt = s.now
			}
			s.touch(c)
		}
	}
}

// overflow stands in the inbox for events that were refused: a doubt that passes at once.
func (s *shard) overflow() {
	s.store.metrics.InboxOverflow()
	for _, c := range s.conns {
		s.distrust(c)
	}
	for i := range s.parts {
		s.parts[i].progress = event.Position{}
	}
}

// rewind has the readers of a log read what the relay missed of it. Those that have had it from the logs stay.
func (s *shard) rewind(log *Log, from, through event.Position) {
	for _, r := range s.readers[log] {
		c := r.conn
		if c.state >= ending || !through.After(c.sure) {
			continue
		}
		s.distrust(c)
		again := Reading{Log: log, After: from.Later(c.sure)}
		if c.requested {
			l := c.needs()
			l.rewinds = append(l.rewinds, again)
		} else {
			c.rewind(again)
		}
	}
}
