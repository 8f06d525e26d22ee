package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// want has a channel asked for. The caller holds the partition's mutex.
func (s *session) want(c *channel) {
	c.state = channelAsked
	s.wanted = append(s.wanted, c)
	s.nudge()
}

// maxLingering is the most channels of a session that linger. Whoever asks for other topics each time would have Redis and
// the node remember all of them for as long as Config.Linger.
const maxLingering = 10_000

// parting is a channel that was left. One that was joined and left again since has a later one, and this one is void: it
// holds up nobody behind it.
type parting struct {
	*channel

	at time.Time
}

// linger notes that a channel was left. The caller holds the partition's mutex.
func (s *session) linger(c *channel) {
	s.lingering = append(s.lingering, parting{c, c.left})
	if len(s.lingering) > maxLingering {
		s.nudge()
	}
}

func (s *session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// subscribe asks for channels, a chunk at a time, and gives back those that were left long enough ago. When all that was
// joined is confirmed it asks for the signals and, last, the canaries.
func (s *session) subscribe(ctx context.Context) error {
	sweep := time.NewTicker(max(s.partition.engine.config.Linger/10, 100*time.Millisecond))
	defer sweep.Stop()
	for {
		names, on := s.next(time.Now())
		if len(names) == 0 && s.caughtUp() {
			names, on = []string{s.partition.names.signals, s.canary}, true
			s.expect(names)
		}
		if len(names) > 0 {
			if err := s.ask(ctx, names, on); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.broken:
			return nil
		case <-s.wake:
		case <-sweep.C:
		}
	}
}

// next returns the next chunk: channels to ask for, or to give back.
func (s *session) next(now time.Time) (names []string, on bool) {
	p := s.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := min(chunk, len(s.wanted)); n > 0 {
		for _, c := range s.wanted[:n] {
			names = append(names, c.name)
			s.pending[c.name] = true
		}
		s.wanted = s.wanted[n:]
		return names, true
	}
	s.wanted = nil
	linger := p.engine.config.Linger
	for len(s.lingering) > 0 && len(names) < chunk {
		c := s.lingering[0]
		if now.Sub(c.at) < linger && len(s.lingering) <= maxLingering {
			break
		}
		s.lingering = s.lingering[1:]
		if c.joins == 0 && c.left.Equal(c.at) && c.state == channelOn {
			c.state = channelLeaving
			names = append(names, c.name)
			s.pending[c.name] = true
		}
	}
	return names, false
}

// caughtUp reports, once, that all that was joined is confirmed. Joins wait from then on.
func (s *session) caughtUp() bool {
	p := s.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.phase != phaseBulk || len(s.wanted) > 0 {
		return false
	}
	s.phase = phaseSettled
	return true
}

func (s *session) expect(names []string) {
	s.partition.mu.Lock()
	defer s.partition.mu.Unlock()
	for _, name := range names {
		s.pending[name] = true
	}
}

// ask sends one command, and waits until all of it is confirmed: so the answers to no more than a chunk ever wait in the
// server's buffer.
func (s *session) ask(ctx context.Context, names []string, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	sharded := s.partition.engine.servers.sharded
	var err error
	switch {
	case on && sharded:
		err = s.pubsub.SSubscribe(ctx, names...)
	case on:
		err = s.pubsub.Subscribe(ctx, names...)
	case sharded:
		err = s.pubsub.SUnsubscribe(ctx, names...)
	default:
		err = s.pubsub.Unsubscribe(ctx, names...)
	}
	if err != nil {
		return fmt.Errorf("ask for %d channels: %w", len(names), err)
	}
	for s.awaits() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("confirm %d channels: %w", len(names), ctx.Err())
		case <-s.broken:
			return nil
		case <-s.wake:
		}
	}
	return nil
}

func (s *session) awaits() bool {
	s.partition.mu.Lock()
	defer s.partition.mu.Unlock()
	return len(s.pending) > 0
}

// acknowledged takes the confirmation of one channel. One that was not asked for says that the connection is not what it
// was, whoever changed it.
func (s *session) acknowledged(m *goredis.Subscription) error {
	p := s.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.pending[m.Channel] {
		return fmt.Errorf("%s of %s was not asked for", m.Kind, m.Channel)
	}
	on := m.Kind == "subscribe" || m.Kind == "ssubscribe"
	c := p.channels[m.Channel]
	switch {
	case c == nil && on && m.Channel == s.canary:
		s.phase = phaseConfirming
		s.dog.Reset(p.engine.config.CanaryTimeout)
		select {
		case s.hurry <- struct{}{}:
		default:
		}
	case c == nil && on && m.Channel == p.names.signals:
	case c == nil:
		return errors.New("a channel was confirmed that nobody knows")
	case on && c.state == channelAsked:
		c.state = channelOn
		c.release()
		if c.joins == 0 {
			s.linger(c) // it was left before it was confirmed
		}
	case !on && c.state == channelLeaving:
		c.state = channelOff
		if c.joins > 0 {
			s.want(c) // joined again meanwhile: it takes a confirmation of its own
		} else {
			delete(p.channels, c.name)
		}
	default:
		return fmt.Errorf("%s of %s does not fit", m.Kind, m.Channel)
	}
	delete(s.pending, m.Channel)
	if len(s.pending) == 0 {
		s.nudge()
	}
	return nil
}
