package store

import (
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

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

// wheel holds connections by the time at which they are to be looked at: each in one slot at most, which is a list that runs
// through the connections themselves.
type wheel struct {
	slots  [wheelSlots]*Conn
	turned int // ticks since the store was made
}

// put has a connection looked at when the time has come, or after almost a whole turn.
func (w *wheel) put(c *Conn, at moment) {
	w.remove(c)
	ticks := int((at + moment(tick) - 1) / moment(tick))
	ticks = max(w.turned+1, min(ticks, w.turned+wheelSlots-1))
	c.due = moment(ticks) * moment(tick)
	first := w.first(c)
	if c.next = *first; c.next != nil {
		c.next.previous = c
	}
	*first = c
}

// remove takes a connection out of its slot, if it has one.
func (w *wheel) remove(c *Conn) {
	if c.due == 0 {
		return
	}
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		*w.first(c) = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	c.due, c.next, c.previous = 0, nil, nil
}

// first returns the beginning of a connection's slot.
func (w *wheel) first(c *Conn) **Conn { return &w.slots[int(c.due/moment(tick))%wheelSlots] }

// turn takes out everything whose time has come, and calls look for it. look may put connections again.
func (w *wheel) turn(now moment, look func(*Conn)) {
	ticks := int(now / moment(tick))
	w.turned = max(w.turned, ticks-wheelSlots) // after a long sleep every slot is due, once
	for w.turned < ticks {
		w.turned++
		for slot := &w.slots[w.turned%wheelSlots]; *slot != nil; { // put never has it there: that would be a whole turn
			c := *slot
			w.remove(c)
			look(c)
		}
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
		next = c.endAt
	case c.state == catching && !c.requested && c.pollAt() > s.now:
		earlier(c.pollAt())
	}
	if c.state != ending {
		earlier(c.expires)
		earlier(c.endAt)
	}
	if c.due == 0 || next < c.due {
		s.wheel.put(c, next)
	}
}

// look does what a connection's times call for.
func (s *shard) look(c *Conn) {
	reached := func(t moment) bool { return t != 0 && s.now >= t }
	switch {
	case c.state == ending:
		if reached(c.endAt) {
			s.end(c, c.goodbye)
			return
		}
	case reached(c.endAt):
		s.bye(c, ReasonDraining, jitter(s.spread))
	case reached(c.expires):
		s.bye(c, c.old, jitter(ageSpread))
	default:
		if c.queue.empty() && reached(c.wrote.after(s.store.cfg.Heartbeat)) {
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
	last := &s.pings.plain
	if c.envelope {
		last = &s.pings.envelope
	}
	if last.block == nil || last.at != at {
		*last = pinged{at, s.store.controls.Ping(c.envelope, at)}
	}
	s.push(c, block{bytes: last.block, position: at})
}

// pinged is the last ping, and where it was: readers at rest are in the same place, so they share it.
type pinged struct {
	at    event.Position
	block []byte
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
	c.state, c.goodbye, c.endAt = ending, reason, s.now.after(closeTimeout)
	s.push(c, block{bytes: s.store.controls.Bye(c.envelope, reason.String(), reconnect)})
	s.touch(c)
}

// drain says goodbye to all connections within window, and to each that comes later.
func (s *shard) drain(window, spread time.Duration) {
	s.draining, s.spread = true, spread
	for _, c := range s.conns {
		if c.state < ending {
			c.endAt = s.now.after(jitter(window))
		}
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
