package store

import "time"

const (
	// tick is how exactly a shard keeps its times.
	tick = 100 * time.Millisecond
	// wheelSlots makes a turn of the wheel 25.6 s: longer than the usual heartbeat, so that most looks find work.
	wheelSlots = 256
	// closeTimeout is how long a reader may take to read its bye.
	closeTimeout = 2 * time.Second
	// ageSpread is the window in which readers come back that were sent away for their age.
	ageSpread = 2 * time.Second
)

// moment is a time on the store's own clock, in nanoseconds since the store was made; 0 is never. A time.Time is three times
// as large, and every connection has several.
type moment int64

// after returns the moment a while later.
func (m moment) after(d time.Duration) moment { return m + moment(d) }

// wheel holds connections by the time at which they are to be looked at. A connection may stand in several slots; its due
// time says which one counts.
type wheel struct {
	slots  [wheelSlots][]*Conn
	turned int // ticks since the store was made
}

// put has a connection looked at when the time has come, or after almost a whole turn. It returns the time of the slot.
func (w *wheel) put(c *Conn, at moment) moment {
	ticks := int((at + moment(tick) - 1) / moment(tick))
	ticks = max(w.turned+1, min(ticks, w.turned+wheelSlots-1))
	slot := ticks % wheelSlots
	w.slots[slot] = append(w.slots[slot], c)
	return moment(ticks) * moment(tick)
}

// turn calls look for everything whose time has come. look may put connections again.
func (w *wheel) turn(now moment, look func(*Conn)) {
	ticks := int(now / moment(tick))
	w.turned = max(w.turned, ticks-wheelSlots) // after a long sleep every slot is due, once
	for w.turned < ticks {
		w.turned++
		slot := w.turned % wheelSlots
		conns := w.slots[slot]
		for _, c := range conns {
			look(c)
		}
		clear(conns)
		w.slots[slot] = conns[:0]
	}
}

// schedule has a connection looked at when the first of its times comes.
func (s *shard) schedule(c *Conn) {
	next := c.wrote.after(s.store.cfg.Heartbeat)
	earlier := func(t moment) {
		if t != 0 && t < next {
			next = t
		}
	}
	switch {
	case c.state == ending:
		next = c.endBy
	case c.state == catching && !c.requested && c.pollAt > s.now:
		earlier(c.pollAt)
	}
	if c.state != ending {
		earlier(c.expires)
		earlier(c.byeAt)
	}
	if c.due == 0 || next < c.due {
		c.due = s.wheel.put(c, next)
	}
}

// look does what a connection's times call for.
func (s *shard) look(c *Conn) {
	if c.state == ended || s.now < c.due {
		return
	}
	c.due = 0
	reached := func(t moment) bool { return t != 0 && s.now >= t }
	switch {
	case c.state == ending:
		if reached(c.endBy) {
			s.end(c, c.goodbye)
			return
		}
	case reached(c.byeAt):
		s.bye(c, ReasonDraining, c.reconnect)
	case reached(c.expires):
		s.bye(c, c.old, jitter(ageSpread))
	default:
		if len(c.queue.blocks) == 0 && reached(c.wrote.after(s.store.cfg.Heartbeat)) {
			s.ping(c)
		}
		s.touch(c) // a poll may be due
	}
	s.schedule(c)
}

// ping breaks the silence with the reader's cursor, so that one that sees no events resumes exactly all the same.
func (s *shard) ping(c *Conn) {
	at := s.position(c)
	c.filter = at
	s.push(c, block{bytes: s.store.controls.Ping(c.attached.envelope, at), position: at})
}

// bye ends a connection once it has taken what is queued and its goodbye, or after closeTimeout.
func (s *shard) bye(c *Conn, reason Reason, reconnect time.Duration) {
	if c.state >= ending {
		return
	}
	if c.state == catching {
		s.store.metrics.CatchingUp(-1)
	}
	c.scatter()
	c.state, c.goodbye, c.endBy = ending, reason, s.now.after(closeTimeout)
	s.push(c, block{bytes: s.store.controls.Bye(c.attached.envelope, reason.String(), reconnect)})
	s.touch(c)
}

// drain says goodbye to all connections within window, and to each that comes later.
func (s *shard) drain(window, spread time.Duration) {
	s.draining, s.spread = true, spread
	for c := range s.conns {
		c.byeAt, c.reconnect = s.now.after(jitter(window)), jitter(spread)
		s.schedule(c)
	}
	s.checkDrained()
}

// checkDrained reports to Drain that no connection is left.
func (s *shard) checkDrained() {
	if !s.draining || len(s.conns) > 0 {
		return
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}
