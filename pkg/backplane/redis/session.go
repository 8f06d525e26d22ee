package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// session is one connection of the relay, from its making to its end. It is never mended: any sign of trouble ends it, and
// the next one begins from nothing.
//
// Three goroutines work on it: one reads the connection and alone calls the sink, one asks for channels and gives them
// back, one sends canaries. None of them waits for another one's work.
type session struct {
	partition *partition
	sink      backplane.Sink
	client    *goredis.Client
	pubsub    *goredis.PubSub
	run       string // the server that relays
	timeline  string // of the position that the sink was vouched for last; only the reader of the connection uses it
	canary    string // the channel of this session's canaries

	broken chan struct{} // closed when the session is over
	cause  error         // why; to be read after broken
	once   sync.Once
	hurry  chan struct{} // a token asks for a canary at once
	wake   chan struct{} // a token says that channels are wanted or left, or that a chunk is confirmed
	sent   atomic.Int64  // when the last canary went out, in nanoseconds since 1970
	dog    *time.Timer   // ends the session when no canary has come for too long

	// The partition's mutex guards the rest.
	phase     phase
	wanted    []*channel      // to be asked for
	lingering []parting       // left, in that order
	pending   map[string]bool // asked for or given back, not confirmed
	kept      []any           // signals for the sink to have before it is vouched for
}

// phase is how far a session is.
type phase int

const (
	phaseBulk       phase = iota // all that was joined is being asked for; joins do not wait
	phaseSettled                 // all that was joined is confirmed; joins wait from now on
	phaseConfirming              // so is the canaries' channel: the canary is awaited
	phaseVouched                 // the canary has come
)

// chunk is the most channels that are asked for in one command: with 100,000 in one, Redis answered nobody for 112 ms.
const chunk = 500

// confirmTimeout is how long a chunk may take to be confirmed.
const confirmTimeout = 3 * time.Second

// relay has one session, with a doubt at its end, and reports whether it was vouched for. The error says why it ended.
func (p *partition) relay(ctx context.Context, sink backplane.Sink, first bool) (vouched bool, err error) {
	s, err := p.connect(ctx, sink)
	if err != nil {
		return false, err
	}
	if err = s.test(ctx, first); err != nil {
		s.close()
		return false, err
	}
	p.begin(s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup // joined below
	workers.Go(func() { s.fail(s.subscribe(ctx)) })
	workers.Go(func() { s.fail(s.sing(ctx)) })
	workers.Go(func() {
		<-s.broken
		cancel()
		s.close() // ends the read
	})
	s.fail(s.read(ctx))
	s.dog.Stop()
	vouched = s.vouched()
	if vouched {
		p.engine.metrics.RelayUp(-1)
		sink.Doubt(p.number, s.cause.Error()) // before the wait for a canary that is not answered
	}
	p.end()
	workers.Wait()
	return vouched, s.cause
}

// connect makes the connection. The dialer works once: the client would mend a connection by itself, and silently.
func (p *partition) connect(ctx context.Context, sink backplane.Sink) (*session, error) {
	e := p.engine
	options, err := e.servers.primary(ctx, p.names.head)
	if err != nil {
		return nil, fmt.Errorf("find the primary: %w", err)
	}
	s := &session{
		partition: p, sink: sink, canary: p.names.base + "node:" + newLane().name,
		broken: make(chan struct{}), hurry: make(chan struct{}, 1), wake: make(chan struct{}, 1), pending: make(map[string]bool),
	}
	dial := e.dialRelay
	if dial == nil {
		dial = goredis.NewDialer(options)
	}
	var dialed atomic.Bool
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialed.Swap(true) {
			return nil, errors.New("the connection of the relay is lost")
		}
		return dial(ctx, network, address)
	}
	var checked error
	options.OnConnect = func(ctx context.Context, cn *goredis.Conn) error {
		info, err := cn.Info(ctx).Result()
		if err != nil {
			checked = err
			return err
		}
		s.run = infoField(info, "run_id")
		checked = p.check(options.Addr, info)
		return checked
	}
	s.client = goredis.NewClient(options)
	s.pubsub = s.client.Subscribe(ctx)
	s.dog = time.AfterFunc(time.Hour, func() { s.fail(errors.New("no canary has come back over the relay")) })
	s.dog.Stop()
	soon, cancel := context.WithTimeout(ctx, dialTimeout) // a frozen server takes a connection, and nothing more
	defer cancel()
	if err := s.pubsub.Ping(soon); err != nil {
		s.close()
		if checked != nil {
			err = checked
		}
		return nil, fmt.Errorf("connect to %s: %w", options.Addr, err)
	}
	return s, nil
}

func (s *session) close() {
	s.dog.Stop()
	_ = s.pubsub.Close() //nolint:errcheck // the connection may be broken: that is why
	_ = s.client.Close() //nolint:errcheck // as above
}

// fail ends the session. The first cause counts.
func (s *session) fail(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.broken)
	})
}

// test calls the canary function without a channel: it says whether the functions work and fit this deployment.
func (s *session) test(ctx context.Context, first bool) error {
	r, err := s.partition.testify(ctx, "", first)
	if err != nil {
		return err
	}
	if r.run != s.run {
		return errElsewhere
	}
	return nil
}

// testify calls the canary function, and so asks the store about what this node knows to have been given.
func (p *partition) testify(ctx context.Context, channel string, set bool) (reply, error) {
	e := p.engine
	mode := ""
	if set {
		mode = "set"
	}
	i := invocation{
		function: functionCanary,
		keys:     []string{p.names.head, p.names.calls, p.names.keys[0], p.names.keys[1]},
		args:     []any{e.settings, mode, channel},
	}
	testimony := p.witness.testimony()
	for _, position := range testimony {
		i.args = append(i.args, position.String())
	}
	r, err := e.once(ctx, i)
	p.answered(ctx, err)
	if err == nil {
		p.witness.see(r.head)
		p.witness.heard(testimony)
	}
	return r, err
}

// sing sends canaries once the canaries' channel is confirmed.
func (s *session) sing(ctx context.Context) error {
	interval := time.NewTicker(s.partition.engine.config.CanaryInterval)
	defer interval.Stop()
	recalled := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.broken:
			return nil
		case <-s.hurry:
		case <-interval.C:
		}
		if !s.confirming() {
			continue
		}
		if !recalled {
			if err := s.recall(ctx); err != nil {
				return err
			}
			recalled = true
		}
		s.sent.Store(time.Now().UnixNano())
		r, err := s.partition.testify(ctx, s.canary, false)
		switch {
		case err != nil && faultOf(err) == faultFinal:
			return err
		case err != nil && ctx.Err() == nil:
			s.partition.engine.log.DebugContext(ctx, "canary", slog.Any("error", err)) // the dog barks if it goes on
		case err == nil && r.run != s.run:
			return fmt.Errorf("the functions are %w", errElsewhere)
		}
	}
}

func (s *session) confirming() bool {
	s.partition.mu.Lock()
	defer s.partition.mu.Unlock()
	return s.phase >= phaseConfirming
}

// read takes everything that comes, until the connection ends.
func (s *session) read(ctx context.Context) error {
	for {
		message, err := s.pubsub.Receive(ctx) // ended by close: it does not look at ctx
		if err != nil {
			return fmt.Errorf("read the relay: %w", err)
		}
		switch m := message.(type) {
		case *goredis.Subscription:
			if err := s.acknowledged(m); err != nil {
				return err
			}
		case *goredis.Message:
			if err := s.take(m.Channel, m.Payload); err != nil {
				return err
			}
		case *goredis.Pong:
		}
	}
}

func (s *session) take(channel, payload string) error {
	switch channel {
	case s.canary:
		return s.returned(payload)
	case s.partition.names.signals:
		s.signal(payload)
		return nil
	default:
		s.pass(channel, payload)
		return nil
	}
}

// returned takes a canary.
func (s *session) returned(payload string) error {
	r, err := parseReply([]any{payload})
	if err != nil {
		return err
	}
	if r.run != s.run {
		return fmt.Errorf("a canary was %w", errElsewhere)
	}
	p := s.partition
	p.engine.metrics.Canary(time.Since(time.Unix(0, s.sent.Load())))
	s.dog.Reset(p.engine.config.CanaryTimeout)
	p.witness.see(r.head)
	p.mu.Lock()
	began := s.phase == phaseConfirming
	if began {
		s.phase = phaseVouched
	}
	p.doubtful = time.Time{}
	p.mu.Unlock()
	switch {
	case began:
		p.engine.metrics.RelayUp(1)
		s.passKept()
		s.vouch(r.head)
	case s.timeline != r.head.Timeline():
		s.sink.Doubt(p.number, "the timeline has changed")
		s.vouch(r.head)
	}
	s.sink.Progress(p.number, r.head)
	return nil
}

// vouch is called by the reader of the connection.
func (s *session) vouch(head event.Position) {
	s.timeline = head.Timeline()
	s.sink.Vouched(s.partition.number, head)
}

// marked takes a mark: the store has lost what somebody knew of, and every connection looks whether its cursor is concerned.
func (s *session) marked(head event.Position) {
	if s.vouched() {
		s.partition.engine.log.Warn("Redis has lost events; readers that may have missed them are told", slog.Int("partition", int(s.partition.number)))
		s.sink.Doubt(s.partition.number, "Redis has lost events")
		s.vouch(head)
	}
}

func (s *session) vouched() bool {
	s.partition.mu.Lock()
	defer s.partition.mu.Unlock()
	return s.phase == phaseVouched
}

// pass takes a message of a log's channel. Before the relay is vouched for, nobody counts on it.
func (s *session) pass(channel, payload string) {
	p := s.partition
	p.mu.Lock()
	c := p.channels[channel]
	heard := c != nil && c.joins > 0 && s.phase == phaseVouched
	p.mu.Unlock()
	if !heard {
		return
	}
	entry, err := parseMessage(c.log, payload)
	if err != nil {
		p.engine.unreadable("message", c.log, err)
		return
	}
	switch {
	case entry.Position.IsZero():
		p.engine.metrics.Passed(ResultLive)
	case entry.Position.Timeline() != s.timeline:
		// A new timeline: the next canary tells, and connections read this from the logs. Or a master that does not know
		// yet that it has been replaced: in a cluster, what it relays reaches the subscribers of its former replica.
		p.suspect()
		return
	default:
		p.engine.metrics.Passed(ResultRelayed)
		p.witness.see(entry.Position)
	}
	s.sink.Relay(entry)
}
