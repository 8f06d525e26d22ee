package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// tick is the type of numbered events.
const tick = "test.tick"

// patience is how long what has to happen may take on a machine that is busy with other things.
const patience = 20 * time.Second

// world is a deployment: nodes with readers, and publishers, on one prefix. It keeps a record of every numbered event that
// was published and of every block that a reader was given, and judges them: see verdict.
type world struct {
	t      *testing.T
	config redis.Config // of every engine that is made from now on

	mu      sync.Mutex
	sent    []*sent // by number
	readers []*reader
}

// sent is one numbered event. The world's mutex guards it.
type sent struct {
	log      event.LogName
	begun    time.Time      // when its publisher was called
	answered time.Time      // when the publisher had an answer; zero until then
	position event.Position // zero unless it was acknowledged
	err      error          // why it was refused
}

// newWorld returns a world without anybody on the servers at url, with a canary that is quicker than in life.
func newWorld(t *testing.T, url string) *world {
	t.Helper()
	config := redis.DefaultConfig()
	config.URL = url
	config.Prefix = redistest.Prefix(t)
	config.CanaryInterval = 100 * time.Millisecond
	config.CanaryTimeout = time.Second
	return &world{t: t, config: config}
}

// calm makes a world in which a machine that is busy with other things does not look like a dead relay: for tests that want
// no doubt but their own.
func (w *world) calm() *world {
	w.config.CanaryTimeout = time.Minute
	return w
}

// topic returns the log of a topic of the default tenant.
func topic(name string) event.LogName {
	target, err := event.Topic(name)
	if err != nil {
		panic(err)
	}
	return event.LogName{Tenant: event.DefaultTenant(), Target: target}
}

// engine returns an engine that nobody runs. It is closed when the test ends.
func (w *world) engine(change ...func(*redis.Config)) *redis.Engine {
	w.t.Helper()
	e, _ := w.counted(change...)
	w.t.Cleanup(func() { require.NoError(w.t, e.Close()) })
	return e
}

func (w *world) counted(change ...func(*redis.Config)) (*redis.Engine, *tally) {
	w.t.Helper()
	config := w.config
	for _, c := range change {
		c(&config)
	}
	counts := &tally{counts: make(map[string]int)}
	e, err := redis.New(config, slog.New(slog.NewTextHandler(w.t.Output(), nil)), counts)
	require.NoError(w.t, err)
	return e, counts
}

// node is an engine with a broker on it.
type node struct {
	world  *world
	engine *redis.Engine
	broker *broker.Broker
	tally  *tally
	// stop ends the node at once, and the streams of its readers with it. It may be called again.
	stop func()
	// stopped is closed when it stops.
	stopped chan struct{}
}

// node returns a node that is ready.
func (w *world) node(change ...func(*redis.Config)) *node {
	w.t.Helper()
	n := w.starting(nil, change...)
	n.awaitReady()
	return n
}

// starting returns a node that has been started. before may do something with its engine first.
func (w *world) starting(before func(*redis.Engine), change ...func(*redis.Config)) *node {
	w.t.Helper()
	n := &node{world: w, stopped: make(chan struct{})}
	n.engine, n.tally = w.counted(change...)
	if before != nil {
		before(n.engine)
	}
	config := broker.DefaultConfig()
	config.Store.Shards, config.Store.MaxAge, config.Store.Poll = 1, 0, 200*time.Millisecond
	var err error
	n.broker, err = broker.New(config, n.engine, n.engine.Capabilities().Partitions, slog.New(slog.NewTextHandler(w.t.Output(), nil)), n.tally)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.broker.Run(ctx) }() // joined by stop
	var once sync.Once
	n.stop = func() {
		var err error
		once.Do(func() {
			close(n.stopped)
			cancel()
			err = errors.Join(<-done, n.engine.Close())
		})
		require.NoError(w.t, err)
	}
	w.t.Cleanup(n.stop)
	return n
}

func (n *node) awaitReady() {
	n.world.t.Helper()
	require.Eventually(n.world.t, func() bool { return n.broker.Ready() == nil }, patience, 5*time.Millisecond)
}

// publisher publishes numbered events on an engine of its own.
type publisher struct {
	world  *world
	engine *redis.Engine
	// padding makes events larger by so many bytes.
	padding int
	// keyed gives each event a key of its own.
	keyed bool
}

func (w *world) publisher(change ...func(*redis.Config)) *publisher {
	w.t.Helper()
	return &publisher{world: w, engine: w.engine(change...)}
}

// publish publishes one event and waits for the answer, which the record then has.
func (p *publisher) publish(log event.LogName) sent {
	w := p.world
	s := &sent{log: log, begun: time.Now()}
	w.mu.Lock()
	number := len(w.sent)
	w.sent = append(w.sent, s)
	w.mu.Unlock()
	publication := numbered(log, number, p.padding)
	if p.keyed {
		publication.Key = fmt.Sprint("number ", number)
	}
	r := p.engine.Publish(context.WithoutCancel(w.t.Context()), []backplane.Publication{publication})[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	s.answered, s.err = time.Now(), r.Err
	if r.Err == nil {
		s.position = r.Positions[0]
	}
	return *s
}

// numbered returns the publication of an event that says its number.
func numbered(log event.LogName, number, padding int) backplane.Publication {
	kind, err := event.ParseType(tick)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]any{"n": number, "padding": strings.Repeat("x", padding)})
	if err != nil {
		panic(err)
	}
	data, err := event.ParseJSON(text)
	if err != nil {
		panic(err)
	}
	return backplane.Publication{
		Tenant: log.Tenant, Targets: []event.Target{log.Target}, Event: event.Event{Type: kind, Data: data},
	}
}

// stream is a publisher at work.
type stream struct {
	stop chan struct{}
	once sync.Once
	work sync.WaitGroup
}

// stream publishes so many events, rate of them a second, to each log by turns. It does not wait for one answer before the
// next event.
func (p *publisher) stream(rate, count int, logs ...event.LogName) *stream {
	s := &stream{stop: make(chan struct{})}
	s.work.Go(func() { // joined by wait, or when the test ends
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		began := time.Now()
		for done := 0; done < count; {
			due := min(count, int(time.Since(began).Seconds()*float64(rate))+1)
			for ; done < due; done++ {
				log := logs[done%len(logs)]
				s.work.Go(func() { p.publish(log) })
			}
			select {
			case <-ticker.C:
			case <-s.stop:
				return
			}
		}
	})
	p.world.t.Cleanup(s.end)
	return s
}

// wait waits until all has been published and answered.
func (s *stream) wait() { s.work.Wait() }

// end publishes no more, and waits for the answers.
func (s *stream) end() {
	s.once.Do(func() { close(s.stop) })
	s.work.Wait()
}

// back publishes until every reader has been given one of these events, and returns how long that took.
func (w *world) back(p *publisher) time.Duration {
	w.t.Helper()
	w.mu.Lock()
	first := len(w.sent)
	w.mu.Unlock()
	began := time.Now()
	probes := p.stream(20*len(w.logs()), 1<<20, w.logs()...)
	require.Eventually(w.t, func() bool {
		for _, r := range w.reading() {
			if r.newest() < first {
				return false
			}
		}
		return true
	}, patience, 5*time.Millisecond, "delivery is not back")
	took := time.Since(began)
	probes.end()
	return took
}

// reading returns the readers that are connected.
func (w *world) reading() (all []*reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.readers {
		if r.connected() {
			all = append(all, r)
		}
	}
	return all
}

// logs returns what readers that are connected read.
func (w *world) logs() (all []event.LogName) {
	seen := make(map[event.LogName]bool)
	for _, r := range w.reading() {
		for _, log := range r.logs {
			if !seen[log] {
				all = append(all, log)
			}
			seen[log] = true
		}
	}
	return all
}

// tally counts what an engine and its broker do, by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name] += n
}

// of returns a count.
func (c *tally) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

func (c *tally) Called(function string, _ time.Duration, err error) {
	c.add("called "+function, 1)
	if err != nil {
		c.add("failed "+function, 1)
	}
}

func (c *tally) RelayUp(change int) {
	c.add("relays", change)
	if change > 0 {
		c.add("vouched", change)
	}
}

func (c *tally) Committed(events int)             { c.add("committed", events) }
func (c *tally) Canary(time.Duration)             { c.add("canaries", 1) }
func (c *tally) Passed(result string)             { c.add("passed "+result, 1) }
func (c *tally) Ingested(result string)           { c.add("ingested "+result, 1) }
func (c *tally) Published(n int)                  { c.add("published", n) }
func (c *tally) Doubt(cause string)               { c.add("doubt "+cause, 1) }
func (c *tally) ReadFailed()                      { c.add("reads failed", 1) }
func (c *tally) Delivered(events, _ int)          { c.add("delivered", events) }
func (c *tally) Replayed(events int)              { c.add("replayed", events) }
func (c *tally) CatchingUp(n int)                 { c.add("catching up", n) }
func (c *tally) GapTold(r event.GapReason, n int) { c.add("gap "+string(r), n) }
func (c *tally) DeliveryLatency(time.Duration)    {}
func (c *tally) InboxOverflow()                   { c.add("overflows", 1) }
