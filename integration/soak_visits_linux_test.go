package integration_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/sse"
)

// guest is somebody who comes once. Its user is new, and so is the log of that.
type guest struct {
	soak  *soak
	turn  int // whose it is to serve it
	user  string
	query string

	stream *soakStream // the present one
}

// errLate says that a guest was away for so long that its event had expired, which it was told.
var errLate = errors.New("the event has expired")

// visit is what one guest does.
func (s *soak) visit(ctx context.Context, n int) {
	// n%20 says what it does, and n/20 adds a turn: each kind comes to each node.
	g := &guest{soak: s, turn: n + n/20, user: fmt.Sprintf("guest-%d-%d", s.round, n), query: fmt.Sprintf("topic=soak-%d", n%soakTopics)}
	var err error
	switch kind := n % 20; {
	case kind < 6:
		err = g.resume(ctx)
	case kind == 6:
		err = g.stay(ctx, s.unit) // until its age, which is less
	case kind == 7:
		err = g.stay(ctx, max(s.unit/3, time.Second)) // until its token expires
	case kind < 10:
		err = g.useTicket(ctx)
	case kind < 12:
		err = g.leaveUnread(ctx)
	default:
		if err = g.open(0, s.unit); err == nil {
			err = g.readOne(ctx)
		}
	}
	if g.stream != nil {
		_ = g.stream.Close() // again, for some
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errLate) {
		s.fault("%s, who is number %d of twenty: %v", g.user, n%20, err)
	}
}

// open opens a stream on one node or the other, and goes on where the one before ended.
func (g *guest) open(turn int, life time.Duration) error {
	lastID := ""
	if g.stream != nil {
		lastID = g.stream.id
		_ = g.stream.Close()
	}
	st, err := g.soak.openAs(g.turn+turn, g.query, g.user, life, lastID)
	if err == nil {
		g.stream = st
	}
	return err
}

// publish publishes the guest's event.
func (g *guest) publish(ctx context.Context, turn int) {
	g.soak.publish(ctx, g.turn+turn, "user:"+g.user, 1)
}

// await reads up to a block. A stream that reaches its age meanwhile is followed by another one.
func (g *guest) await(wanted func(sse.Message) bool) error {
	for {
		m, err := g.stream.next()
		switch {
		case err != nil:
			return err
		case wanted(m):
			return nil
		case m.Type == gap:
			g.soak.told(g.user, m)
			return errLate
		case m.Type == goodbye:
			g.soak.said(g.user, m.Data)
			if err = g.open(1, g.soak.unit); err != nil {
				return err
			}
		}
	}
}

func (g *guest) isOwn(m sse.Message) bool {
	e, ok := soakEventOf(m)
	return ok && e.To == "user:"+g.user
}

func isLive(m sse.Message) bool { return m.Type == live }

// reset hangs up at once, not in order.
func (g *guest) reset() {
	g.soak.counts.resets.Add(1)
	_ = g.stream.SetLinger(0)
	_ = g.stream.Close()
}

// readOne gets one event live, and hangs up.
func (g *guest) readOne(ctx context.Context) error {
	if err := g.await(isLive); err != nil {
		return err
	}
	g.publish(ctx, 1)
	return g.await(g.isOwn)
}

// useTicket does the same with a ticket.
func (g *guest) useTicket(ctx context.Context) error {
	began, ticket := time.Now(), ""
	answer, err := g.soak.post(ctx, g.turn+1, "/tickets", soakToken(g.user, g.soak.unit), "")
	if err == nil {
		_, err = fmt.Sscanf(answer, `{"ticket":%q`, &ticket)
	}
	if err == nil {
		g.stream, err = g.soak.open(g.turn, g.query+"&ticket="+ticket, "", "")
	}
	if err != nil {
		if time.Since(began) > g.soak.unit-time.Second { // a ticket is good for a second at least, and no longer than the token
			return errLate
		}
		return fmt.Errorf("with a ticket: %w", err)
	}
	g.soak.counts.tickets.Add(1)
	return g.readOne(ctx)
}

// leaveUnread hangs up as soon as the stream begins.
func (g *guest) leaveUnread(ctx context.Context) error {
	if err := g.open(0, g.soak.unit); err != nil {
		return err
	}
	g.reset()
	g.publish(ctx, 1)
	return nil
}

// resume is cut off, and gets on the other node what was published in the meantime before that stream is live.
func (g *guest) resume(ctx context.Context) error {
	if err := g.open(0, g.soak.unit); err != nil {
		return err
	}
	err := g.await(isLive)
	g.reset()
	if err != nil {
		return err
	}
	g.publish(ctx, 0)
	g.soak.counts.resumed.Add(1)
	if err = g.open(1, g.soak.unit); err != nil {
		return err
	}
	given := false
	err = g.await(func(m sse.Message) bool {
		given = given || g.isOwn(m)
		return m.Type == live
	})
	if err == nil && !given {
		err = errors.New("the stream that was resumed is live without the event")
	}
	return err
}

// stay reads until the stream is ended, and has then had the guest's event.
func (g *guest) stay(ctx context.Context, life time.Duration) error {
	if err := g.open(0, life); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = g.stream.Close() })()
	g.publish(ctx, 1)
	for given := false; ; {
		m, err := g.stream.next()
		switch {
		case err != nil:
			return err
		case g.isOwn(m):
			given = true
		case m.Type == gap:
			return fmt.Errorf("a fresh reader is told of a gap: %s", m.Data)
		case m.Type == goodbye:
			g.soak.said(g.user, m.Data)
			if given {
				return nil
			}
			// It was published so late that it has to be fetched.
			if err = g.open(1, g.soak.unit); err != nil {
				return err
			}
			return g.await(g.isOwn)
		}
	}
}
