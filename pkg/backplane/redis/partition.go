package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// partition is what the engine holds of one partition: which logs are joined, and the session that relays them.
type partition struct {
	engine  *Engine
	number  backplane.Partition
	names   names
	commits commits
	heads   heads
	witness witness
	trouble seldom // with the relay
	refusal seldom // of events

	mu       sync.Mutex
	channels map[string]*channel // by name: those that are joined, or still relayed
	session  *session            // the present one; nil between two
	doubtful time.Time           // since when functions answer while the relay is in doubt; zero otherwise
}

// channel is the relay of one log.
type channel struct {
	name  string
	log   event.LogName
	joins int
	left  time.Time // when the last join was given back
	state channelState
	wait  chan struct{} // closed when the channel is confirmed, or its session is over; nil where nobody waits
}

// channelState is how far a channel is on the present session.
type channelState int

const (
	channelOff     channelState = iota // not asked for
	channelAsked                       // asked for, not confirmed
	channelOn                          // confirmed
	channelLeaving                     // its end was asked for, not confirmed
)

func newPartition(e *Engine, number backplane.Partition) *partition {
	p := &partition{engine: e, number: number, names: namesOf(e.config.Prefix, number), channels: make(map[string]*channel)}
	p.commits = commits{partition: p, lane: newLane()}
	p.heads = heads{partition: p}
	return p
}

// Join asks for the relay of logs. While the relay is in doubt it does not wait for them to be confirmed: they are before
// the relay is vouched for.
func (e *Engine) Join(ctx context.Context, logs []event.LogName) (event.Position, error) {
	if e.isClosed() {
		return event.Position{}, fmt.Errorf("join: %w", backplane.ErrClosed)
	}
	p := e.partitionOf(logs[0].Tenant)
	if err := p.confirm(ctx, p.join(logs)); err != nil {
		e.Leave(logs)
		return event.Position{}, fmt.Errorf("join: %w", err)
	}
	head, err := e.readHead(ctx, p)
	if err != nil {
		e.Leave(logs)
		return event.Position{}, fmt.Errorf("join: %w", err)
	}
	return head, nil
}

// join counts the logs, and returns what to wait for.
func (p *partition) join(logs []event.LogName) (waits []<-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, log := range logs {
		name := p.names.log(log)
		c := p.channels[name]
		if c == nil {
			c = &channel{name: name, log: log}
			p.channels[name] = c
		}
		c.joins++
		if p.session == nil {
			continue
		}
		if c.state == channelOff {
			p.session.want(c)
		}
		if c.state != channelOn && p.session.phase >= phaseSettled {
			if c.wait == nil {
				c.wait = make(chan struct{})
			}
			waits = append(waits, c.wait)
		}
	}
	return waits
}

func (p *partition) confirm(ctx context.Context, waits []<-chan struct{}) error {
	for _, wait := range waits {
		select {
		case <-wait:
		case <-p.engine.closed:
			return backplane.ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("redis: %w: confirm the relay: %w", backplane.ErrUnavailable, ctx.Err())
		}
	}
	return nil
}

// Leave gives back what one Join got. The relay of a log lingers for a while, unheard: readers often come back.
func (e *Engine) Leave(logs []event.LogName) {
	if len(logs) == 0 {
		return
	}
	p := e.partitionOf(logs[0].Tenant)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, log := range logs {
		name := p.names.log(log)
		c := p.channels[name]
		if c == nil || c.joins == 0 {
			panic("backplane: leave " + log.String() + ": it is not joined")
		}
		c.joins--
		if c.joins > 0 {
			continue
		}
		c.left = time.Now()
		if p.session == nil {
			delete(p.channels, name)
		} else {
			p.session.linger(c)
		}
	}
}

// begin makes a session the present one, which has to ask for every channel.
func (p *partition) begin(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
	for name, c := range p.channels {
		if c.joins == 0 {
			delete(p.channels, name)
			continue
		}
		s.want(c)
	}
}

// end leaves the partition without a session. Who waited for a confirmation goes on, in doubt.
func (p *partition) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = nil
	for name, c := range p.channels {
		c.state = channelOff
		c.release()
		if c.joins == 0 {
			delete(p.channels, name)
		}
	}
}

func (c *channel) release() {
	if c.wait != nil {
		close(c.wait)
		c.wait = nil
	}
}

// relays reports whether answers of a server may be used: while the relay is vouched for, those of the server that relays.
func (p *partition) relays(run string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session == nil || p.session.phase != phaseVouched || p.session.run == run
}

// answered notes whether functions answer, for as long as the relay is in doubt. A call that was given up says nothing.
func (p *partition) answered(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.doubtful = time.Time{}
	case p.doubtful.IsZero() && (p.session == nil || p.session.phase != phaseVouched):
		p.doubtful = time.Now()
	}
}

// suspect has the relay tested at once.
func (p *partition) suspect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != nil {
		select {
		case p.session.hurry <- struct{}{}:
		default: // it is being tested
		}
	}
}

// stalled returns how long functions have answered while the relay is in doubt.
func (p *partition) stalled() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doubtful.IsZero() {
		return 0
	}
	return time.Since(p.doubtful)
}

// unreadable counts and logs what is no event.
func (e *Engine) unreadable(what string, log event.LogName, err error) {
	e.metrics.Passed(ResultUnreadable)
	e.log.Warn("what is in Redis is no event", slog.String("what", what), slog.String("tenant", log.Tenant.String()),
		slog.String("kind", log.Target.Kind().String()), slog.Any("error", err))
}
