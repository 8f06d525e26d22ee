package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// deaf is a connection that ends when the answer to a publish arrives, for as long as it is told so.
type deaf struct {
	net.Conn

	lose  *atomic.Int64 // so many answers
	asked atomic.Bool
}

func (c *deaf) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("_publish")) {
		c.asked.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *deaf) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.asked.Swap(false) && c.lose.Add(-1) >= 0 {
		return 0, errors.Join(errors.New("the answer is lost"), c.Close())
	}
	return n, err
}

// deafened has an engine lose answers to what it publishes: so many as the returned counter says.
func deafened(c *redis.Config) *atomic.Int64 {
	lose := new(atomic.Int64)
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
		return &deaf{Conn: conn, lose: lose}, err
	}
	return lose
}

// Answers are lost after the call was executed. The repetition gets the first one's results.
func TestAnswersToPublishersAreLost(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	n := w.node()
	w.read(n, "", topic("a"), topic("b"))
	var lose *atomic.Int64
	p := w.publisher(func(c *redis.Config) { lose = deafened(c) })
	require.NoError(t, p.publish(topic("a")).err)
	for range 20 {
		lose.Store(3)
		require.NoError(t, p.publish(topic("a")).err)
		require.Negative(t, lose.Load(), "three answers were lost")
	}
	lose.Store(20)
	p.stream(500, 300, topic("a"), topic("b")).wait()
	lose.Store(0)
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	for _, name := range []string{"a", "b"} {
		n := 0
		for _, e := range w.sent {
			if e.log == topic(name) {
				n++
			}
		}
		require.EqualValues(t, n, s.Do("XLEN", p.engine.Channel(topic(name))))
	}

	// Where no answer ever comes it is an error that leaves the outcome open.
	quick := w.engine(func(c *redis.Config) {
		c.PublishTimeout = 2 * time.Second
		deafened(c).Store(1 << 30)
	})
	r := quick.Publish(t.Context(), []backplane.Publication{numbered(topic("c"), 0, 0)})[0]
	require.ErrorIs(t, r.Err, backplane.ErrUnavailable)
	require.EqualValues(t, 1, s.Do("XLEN", p.engine.Channel(topic("c"))), "and yet it is stored, once")
}

// Publishers on two nodes send the same events under the same keys at the same time.
func TestKeysAreKnownToAllNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Shared(t).URL())
	n := w.node()
	w.read(n, "", topic("a"), topic("b"))
	const events = 100
	var positions [2][events][]event.Position
	var both sync.WaitGroup
	for i := range positions {
		e := w.engine()
		for k := range events {
			both.Go(func() { // joined below
				publication := numbered(topic("a"), 1000+k, 0)
				publication.Targets = append(publication.Targets, topic("b").Target)
				publication.Key = fmt.Sprint("order ", k)
				r := e.Publish(context.WithoutCancel(t.Context()), []backplane.Publication{publication})[0]
				if r.Err == nil {
					positions[i][k] = r.Positions
				}
			})
		}
	}
	both.Wait()
	for k := range events {
		require.Len(t, positions[0][k], 2)
		require.Equal(t, positions[0][k], positions[1][k])
	}
	w.requireKept(w.publisher())
	seen := make(map[string]int)
	for _, b := range w.reading()[0].all() {
		if b.number >= 1000 {
			seen[b.position]++
		}
	}
	require.Len(t, seen, events)
	for position, times := range seen {
		require.Equal(t, 1, times, "%s", position)
	}
}

// noticed is a connection that says when something is published through it.
type noticed struct {
	net.Conn

	published chan struct{}
}

func (c noticed) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("_publish")) {
		select {
		case c.published <- struct{}{}:
		default:
		}
	}
	return c.Conn.Write(b)
}

// What nobody waits for any more is not sent when the server is back, long after its publisher was told that it failed.
func TestPublicationsThatWereGivenUpAreNotSent(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	published := make(chan struct{}, 1)
	e := newWorld(t, s.URL()).engine(func(c *redis.Config) {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
			return noticed{conn, published}, err
		}
	})
	require.NoError(t, e.Publish(t.Context(), []backplane.Publication{numbered(topic("a"), 0, 0)})[0].Err)
	<-published
	s.Freeze()
	first := make(chan backplane.Result, 1)
	go func() { // joined by its result
		first <- e.Publish(context.WithoutCancel(t.Context()), []backplane.Publication{numbered(topic("a"), 1, 0)})[0]
	}()
	<-published
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var others sync.WaitGroup
	var failed atomic.Int64
	for i := range 200 {
		others.Go(func() { // joined below
			if errors.Is(e.Publish(ctx, []backplane.Publication{numbered(topic("b"), i, 0)})[0].Err, backplane.ErrUnavailable) {
				failed.Add(1)
			}
		})
	}
	others.Wait()
	require.EqualValues(t, 200, failed.Load())
	s.Thaw()
	require.NoError(t, (<-first).Err)
	require.NoError(t, e.Publish(t.Context(), []backplane.Publication{numbered(topic("a"), 2, 0)})[0].Err)
	require.EqualValues(t, 3, s.Do("XLEN", e.Channel(topic("a"))))
	require.Zero(t, s.Do("XLEN", e.Channel(topic("b"))))
}

// Somebody deletes the functions, again and again.
func TestFunctionsAreDeleted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	n := w.node()
	w.read(n, "", topic("a"), topic("b"))
	p := w.publisher()
	events := p.stream(300, 600, topic("a"), topic("b"))
	for range 20 {
		s.Do("FUNCTION", "FLUSH")
		pass(80 * time.Millisecond)
	}
	events.wait()
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Equal(t, 1, n.tally.of("vouched"), "no reason for a doubt")
}

// A library of the same name and version that is another one is refused, with a way out.
func TestAnotherLibraryOfTheSameName(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("FUNCTION", "LOAD", "#!lua name=pushstream_1\nredis.register_function('mine', function() return 1 end)")
	w := newWorld(t, s.URL())
	w.config.URL = grant(s, "node", w.config.Prefix, nodeRights)
	e := w.engine()
	err := ran(t, e)
	require.ErrorContains(t, err, "is not the one of this build")
	require.ErrorContains(t, err, "FUNCTION DELETE pushstream_1")
	err = e.Publish(t.Context(), []backplane.Publication{numbered(topic("a"), 0, 0)})[0].Err
	require.ErrorContains(t, err, "FUNCTION DELETE pushstream_1")

	s.Do("FUNCTION", "DELETE", "pushstream_1")
	w.node()
}

// ran runs an engine that has to give up by itself, and returns why.
func ran(t *testing.T, e *redis.Engine) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return e.Run(ctx, ignored{})
}

// ignored is a sink for which nothing matters.
type ignored struct{}

func (ignored) Relay(backplane.Entry)                        {}
func (ignored) Doubt(backplane.Partition, string)            {}
func (ignored) Vouched(backplane.Partition, event.Position)  {}
func (ignored) Signal(backplane.Partition, []byte)           {}
func (ignored) Progress(backplane.Partition, event.Position) {}

// While a deployment goes from one release to the next, nodes with two versions of the functions work on the same logs.
func TestTwoReleasesSideBySide(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	next := func(e *redis.Engine) { e.SetVersion("2") }
	old, young := w.node(), w.starting(next)
	young.awaitReady()
	w.read(old, "", topic("a"), topic("b"))
	w.read(young, "", topic("a"), topic("b"))
	p, q := w.publisher(), w.publisher()
	next(q.engine)
	one, two := p.stream(200, 200, topic("a"), topic("b")), q.stream(200, 200, topic("b"), topic("a"))
	one.wait()
	two.wait()
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Equal(t, 1, old.tally.of("vouched"))
	require.Equal(t, 1, young.tally.of("vouched"))
	require.Len(t, s.Do("FUNCTION", "LIST"), 2)
	timelines := make(map[string]bool)
	for _, e := range w.sent {
		timelines[e.position.Timeline()] = true
	}
	require.Len(t, timelines, 1, "they keep one clock")

	// Each knows the keys of the other, and its calls.
	var positions []event.Position
	for _, e := range []*redis.Engine{p.engine, q.engine} {
		publication := numbered(topic("a"), 0, 0)
		publication.Key = "the same"
		r := e.Publish(t.Context(), []backplane.Publication{publication})[0]
		require.NoError(t, r.Err)
		positions = append(positions, r.Positions...)
	}
	require.Equal(t, positions[0], positions[1])
	f := functionsOf(w, s)
	first, err := f.publish("lane", 1)
	require.NoError(t, err)
	f.version = "2"
	again, err := f.publish("lane", 1)
	require.NoError(t, err)
	require.Equal(t, first, again)
	later, err := f.publish("lane", 2)
	require.NoError(t, err)
	f.version = "1"
	_, err = f.publish("lane", 1)
	require.ErrorContains(t, err, "STALE")
	require.Equal(t, strings.Split(first, ".")[0], strings.Split(later, ".")[0])
}
