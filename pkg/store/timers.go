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

// wheel holds connections by the time at which they are to be looked at. A connection may stand in several slots; its due
// time says which one counts.
type wheel struct {
	slots  [wheelSlots][]*Conn
	origin time.Time
	turned int // ticks since origin
}

func (w *wheel) start(now time.Time) { w.origin = now }

// put has a connection looked at when the time has come, or after almost a whole turn. It returns the time of the slot.
func (w *wheel) put(c *Conn, at time.Time) time.Time {
	ticks := int((at.Sub(w.origin) + tick - 1) / tick)
	ticks = max(w.turned+1, min(ticks, w.turned+wheelSlots-1))
	slot := ticks % wheelSlots
	w.slots[slot] = append(w.slots[slot], c)
	return w.origin.Add(time.Duration(ticks) * tick)
}

// turn calls look for everything whose time has come. look may put connections again.
func (w *wheel) turn(now time.Time, look func(*Conn)) {
	ticks := int(now.Sub(w.origin) / tick)
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
	next := c.wrote.Add(s.store.cfg.Heartbeat)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	switch {
	case c.state == ending:
		next = c.endBy
	case c.state == catching && !c.requested && c.pollAt.After(s.now):
		earlier(c.pollAt)
	}
	if c.state != ending {
		earlier(c.expires)
		earlier(c.byeAt)
	}
	if c.due.IsZero() || next.Before(c.due) {
		c.due = s.wheel.put(c, next)
	}
}

// look does what a connection's times call for.
func (s *shard) look(c *Conn) {
	if c.state == ended || s.now.Before(c.due) {
		return
	}
	c.due = time.Time{}
	reached := func(t time.Time) bool { return !t.IsZero() && !s.now.Before(t) }
	switch {
	case c.state == ending:
		if reached(c.endBy) {
			s.end(c, c.goodbye)
			return
		}
	case reached(c.byeAt):
		s.bye(c, ReasonDraining, c.reconnect)
	case reached(c.expires):
		reason := ReasonMaxAge
		if c.expires.Equal(c.attached.Credential.Expires) {
			reason = ReasonExpired
		}
		s.bye(c, reason, jitter(ageSpread))
	default:
		if len(c.queue.blocks) == 0 && reached(c.wrote.Add(s.store.cfg.Heartbeat)) {
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
	c.queue.push(block{bytes: s.store.controls.Ping(c.attached.Envelope, at), position: at})
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
	c.state, c.goodbye, c.endBy = ending, reason, s.now.Add(closeTimeout)
	c.queue.push(block{bytes: s.store.controls.Bye(c.attached.Envelope, reason.String(), reconnect)})
	s.touch(c)
}

// drain says goodbye to all connections within window, and to each that comes later.
func (s *shard) drain(window, spread time.Duration) {
	s.draining, s.spread = true, spread
	for c := range s.conns {
		c.byeAt, c.reconnect = s.now.Add(jitter(window)), jitter(spread)
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
