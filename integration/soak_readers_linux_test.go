package integration_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/sse"
)

// steady is a reader who comes back whenever its stream ends, with a new token when the old one is over, and misses nothing.
type steady struct {
	soak  *soak
	user  string
	query string
	turn  int
	live  chan struct{} // closed when it is live for the first time

	token   string
	expires time.Time
	lastID  string

	mu    sync.Mutex
	seen  map[string]int  // the last number of each of its targets
	gapOf map[string]bool // targets of which it was told a gap, and that had no event since
}

func newSteady(s *soak, i int) *steady {
	a, b := fmt.Sprintf("soak-%d", i%soakTopics), fmt.Sprintf("soak-%d", (i/soakTopics+i+1)%soakTopics)
	user := fmt.Sprintf("steady-%d", i)
	seen := map[string]int{"user:" + user: 0, "topic:" + a: 0, "topic:" + b: 0, "all": 0}
	return &steady{soak: s, user: user, query: "topic=" + a + "&topic=" + b, turn: i, live: make(chan struct{}), seen: seen, gapOf: map[string]bool{}}
}

// read reads until ctx ends, one stream after the other, on one node and the other.
func (r *steady) read(ctx context.Context) {
	began := sync.OnceFunc(func() { close(r.live) })
	for ctx.Err() == nil {
		// A stream ends by its age with a token that is still good, and the next one by the expiry of that.
		if time.Until(r.expires) < r.soak.unit/10 {
			r.expires = time.Now().Add(r.soak.unit)
			r.token = soakToken(r.user, r.soak.unit)
		}
		wait := r.stream(ctx, began)
		r.turn++
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// stream reads one stream to its end, and returns how soon to come back.
func (r *steady) stream(ctx context.Context, began func()) (wait time.Duration) {
	st, err := r.soak.open(r.turn, r.query, r.token, r.lastID)
	if err != nil {
		if ctx.Err() == nil && time.Now().Before(r.expires) {
			r.soak.fault("%s cannot connect: %v", r.user, err)
		}
		return 0
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { _ = st.Close() })()
	for {
		m, err := st.next()
		if err != nil {
			if ctx.Err() == nil {
				r.soak.fault("%s: the stream ended without a goodbye: %v", r.user, err)
			}
			return 0
		}
		r.lastID = st.id
		if e, ok := soakEventOf(m); ok {
			r.take(e)
			continue
		}
		switch m.Type {
		case hello:
		case live:
			began()
		case gap:
			r.told(m)
		case goodbye:
			return r.soak.said(r.user, m.Data)
		default:
			r.soak.fault("%s got %s %s", r.user, m.Type, m.Data)
		}
	}
}

// take counts an event. Every target's come one after the other.
func (r *steady) take(e soakEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.seen[e.To]
	c := &r.soak.counts
	switch {
	case !ok:
		r.soak.fault("%s got an event for %s", r.user, e.To)
	case e.N <= last:
		c.doubled.Add(1)
	default:
		switch {
		case r.gapOf[e.To]:
			c.told.Add(int64(e.N - last - 1))
			r.gapOf[e.To] = false
		case e.N > last+1:
			r.soak.fault("%s missed the events %d to %d for %s", r.user, last+1, e.N-1, e.To)
			c.missed.Add(int64(e.N - last - 1))
		}
		r.seen[e.To] = e.N
		c.delivered.Add(1)
	}
}

// told is for a gap.
func (r *steady) told(m sse.Message) {
	targets := r.soak.told(r.user, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, target := range targets {
		r.gapOf[target] = true
	}
}

// settle waits until the reader has all that was published for it.
func (r *steady) settle(published map[string]int, deadline time.Time) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	r.mu.Lock()
	for target := range r.seen {
		r.soak.counts.owed.Add(int64(published[target]))
	}
	r.mu.Unlock()
	for {
		missing := ""
		r.mu.Lock()
		for target, n := range r.seen {
			switch {
			case n == published[target]:
			case r.gapOf[target]:
				r.soak.counts.told.Add(int64(published[target] - n))
				r.seen[target] = published[target]
			default:
				missing = fmt.Sprintf("%s has %d events of %d for %s", r.user, n, published[target], target)
			}
		}
		r.mu.Unlock()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			r.soak.fault("%s", missing)
			return
		}
		<-look.C
	}
}
