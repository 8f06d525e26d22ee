package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Info describes a connection to those who administer the node.
type Info struct {
	// ID and Address are what the holder says; Logs and Credential are as they were attached.
	ID         string
	Address    string
	Logs       []event.LogName
	Credential Credential
	// Opened is when it was attached.
	Opened time.Time
	// State is live, catching_up or ending.
	State string
	// Cursor is how far its reader has read; zero where that could not be told.
	Cursor event.Position
}

// List tells done, once and on a goroutine of the store's, of the connections that read a log, or of all there are where
// log is nil: at most so many of them, and their number. It needs a Run; without one done is never called.
func (s *Store) List(log *Log, most int, done func(infos []Info, total int)) {
	var mu sync.Mutex
	var infos []Info
	total := 0
	s.survey(log, func(_ *shard, conns []*Conn) {
		mu.Lock()
		defer mu.Unlock()
		total += len(conns)
		for _, c := range conns[:min(len(conns), most-len(infos))] {
			infos = append(infos, c.info())
		}
	}, func() { done(infos, total) })
}

// End ends the connections that read a log, or of all there are where log is nil, those that match. It tells done, as
// List does, how many they are; the reader's goodbye may be still on its way then. A reader whose reason is to stay away
// gets nothing more than what its socket has begun to take.
func (s *Store) End(log *Log, match func(Info) bool, reason Reason, done func(ended int)) {
	var mu sync.Mutex
	ended := 0
	s.survey(log, func(sh *shard, conns []*Conn) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			if c.state < ending && match(c.info()) {
				ended++
				sh.turnAway(c, reason)
			}
		}
	}, func() { done(ended) })
}

// survey calls visit for each shard, on its goroutine, with its connections that are meant, and done after the last one.
func (s *Store) survey(log *Log, visit func(*shard, []*Conn), done func()) {
	var left atomic.Int64
	left.Store(int64(len(s.shards)))
	for _, sh := range s.shards {
		sh.inbox.do(func() {
			visit(sh, sh.meant(log))
			if left.Add(-1) == 0 {
				done()
			}
		})
	}
}

// turnAway says goodbye. Nothing that waits is written before it where the reader may not have it any more.
func (s *shard) turnAway(c *Conn, reason Reason) {
	reconnect := jitter(ageSpread)
	if reason >= ReasonRevoked {
		if c.queue != nil {
			c.queue.abandon()
		}
		reconnect = -1
	}
	s.bye(c, reason, reconnect)
	s.schedule(c)
}

// meant returns the connections that read a log; all where it is zero.
func (s *shard) meant(log *Log) []*Conn {
	if log == nil {
		return slices.Clone(s.conns)
	}
	var conns []*Conn
	for _, r := range s.readers[log] {
		conns = append(conns, r.conn)
	}
	return conns
}

func (c *Conn) info() Info {
	state := "catching_up"
	switch c.state {
	case live:
		state = "live"
	case ending, ended:
		state = "ending"
	case catching:
	}
	info := Info{ID: c.holder.ID(), Address: c.holder.Address(), Opened: c.shard.store.timeOf(c.opened), State: state, Cursor: c.cursor}
	if c.credential != nil {
		info.Credential = *c.credential
	}
	for _, seat := range c.seats {
		info.Logs = append(info.Logs, seat.log.Name)
	}
	return info
}
