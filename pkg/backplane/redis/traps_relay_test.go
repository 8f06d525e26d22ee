package redis_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// Every second all relay connections are killed, for twenty seconds. The client library would mend them by itself, and lose
// what was published in between without a sign.
func TestRelayConnectionsAreKilledAllTheTime(t *testing.T) {
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	n := w.node()
	for range 3 {
		w.read(n, "", topic("a"), topic("b"), topic("c"))
	}
	w.read(n, "", topic("a"))
	p := w.publisher()
	const seconds = 20
	events := p.stream(500, 500*seconds, topic("a"), topic("b"), topic("c"))
	killer, killed := s.Client(), 0
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range seconds {
		<-second.C
		n, err := killer.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
		require.NoError(t, err)
		killed += int(n)
	}
	events.wait()
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Greater(t, killed, seconds/2)
	require.Greater(t, n.tally.of("vouched"), seconds/2)
	require.Less(t, v.slowest, 5*time.Second)
}

// through dials a link instead of the server behind it.
func through(link *redistest.Link) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, link.Addr)
	}
}

// The relay's connection becomes a black hole, and nobody else's. Its server goes on counting it among the receivers.
func TestHalfOpenRelay(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	w := newWorld(t, s.URL())
	n := w.starting(func(e *redis.Engine) { e.DialRelay(through(link)) })
	n.awaitReady()
	w.read(n, "", topic("a"))
	p := w.publisher()
	events := p.stream(200, 800, topic("a"))
	require.Eventually(t, func() bool { return n.tally.of("delivered") > 100 }, patience, 5*time.Millisecond)

	link.Blackhole()
	began := time.Now()
	require.Eventually(t, func() bool { return n.tally.of("relays") == 0 }, patience, 5*time.Millisecond)
	took := time.Since(began)
	require.Greater(t, took, w.config.CanaryTimeout/2, "nobody else can have noticed it")
	require.Less(t, took, w.config.CanaryTimeout+2*time.Second)
	require.EqualValues(t, 1, s.Do("PUBLISH", n.engine.Channel(topic("a")), "{}"), "the server believes in its receiver")
	events.wait()
	require.Zero(t, n.tally.of("relays"))

	link.Heal()
	require.Eventually(t, func() bool { return n.tally.of("relays") == 1 }, 10*time.Second, time.Millisecond)
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Less(t, v.slowest, w.config.CanaryTimeout+4*time.Second, "meanwhile readers get their events from the logs")
}

// The relay takes nothing for a while, and so much is published that the server gives it up. What was under way to it still
// arrives, with a hole behind it.
func TestRelayBufferOverflows(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "client-output-buffer-limit pubsub 256kb 64kb 1")
	link := redistest.StartLink(t, s.Addr)
	w := newWorld(t, s.URL()).calm()
	n := w.starting(func(e *redis.Engine) { e.DialRelay(through(link)) })
	n.awaitReady()
	w.read(n, "", topic("a"))
	w.read(n, "", topic("b"))
	p := w.publisher()
	p.padding = 32 << 10

	link.Blackhole()
	observer := s.Client()
	overflown := func() bool {
		list, err := observer.Do(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub").Text()
		require.NoError(t, err)
		return list == ""
	}
	sent := 0
	for ; sent < 1500 && !overflown(); sent += 50 {
		p.stream(1<<20, 50, topic("a"), topic("b")).wait()
	}
	require.True(t, overflown(), "%d events are not enough", sent)
	p.padding = 0
	p.stream(1<<20, 50, topic("a"), topic("b")).wait()
	require.Equal(t, 1, n.tally.of("relays"), "nobody has noticed")

	link.Heal()
	v := w.requireKept(p)
	require.Zero(t, v.refused, "%v", v.refusal)
	require.Zero(t, v.gaps)
	require.Equal(t, 2, n.tally.of("vouched"))
	require.Positive(t, n.tally.of("replayed"))
}

// dying is a connection whose end is seen by who writes first.
type dying struct {
	net.Conn

	dead atomic.Bool
	once sync.Once
	seen chan struct{} // closed by the first who writes
}

func (c *dying) Write(b []byte) (int, error) {
	if c.dead.Load() {
		c.once.Do(func() { close(c.seen) })
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(b)
}

// held is a sink that keeps the reader of the relay until it is let go.
type held struct {
	ignored

	relayed, release, vouched, doubted chan struct{}
}

func (h held) Relay(backplane.Entry) {
	h.relayed <- struct{}{}
	<-h.release
}

func (h held) Vouched(backplane.Partition, event.Position) { h.vouched <- struct{}{} }
func (h held) Doubt(backplane.Partition, string)           { h.doubted <- struct{}{} }

// The connection is lost while its reader is busy, and a command meets the end first. The client library would connect again
// for that command, and the reader would go on with the new connection without having seen an error.
func TestAReconnectThatTheReaderDoesNotSee(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	e := w.engine()
	var present atomic.Pointer[dying]
	e.DialRelay(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
		c := &dying{Conn: conn, seen: make(chan struct{})}
		present.Store(c)
		return c, err
	})
	sink := held{relayed: make(chan struct{}, 8), release: make(chan struct{}), vouched: make(chan struct{}, 8), doubted: make(chan struct{}, 8)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, sink) }() // joined below
	<-sink.vouched
	_, err := e.Join(ctx, []event.LogName{topic("a")})
	require.NoError(t, err)
	publish := func() {
		require.NoError(t, e.Publish(ctx, []backplane.Publication{numbered(topic("a"), 0, 0)})[0].Err)
	}
	publish()
	<-sink.relayed
	died := present.Load()
	died.dead.Store(true)
	joined := make(chan error, 1)
	go func() { // joined below
		_, err := e.Join(ctx, []event.LogName{topic("b")})
		joined <- err
	}()
	<-died.seen
	publish() // nobody is there to hear it
	close(sink.release)
	select {
	case <-sink.doubted:
	case <-time.After(2 * time.Second): // a confirmation that does not come is noticed after three
		require.Fail(t, "there is no doubt")
	}
	require.NoError(t, <-joined)
	cancel()
	require.NoError(t, <-done)
}

// injected is a connection into whose answers a test can put some of its own.
type injected struct {
	net.Conn

	next atomic.Pointer[[]byte]
}

func (c *injected) Read(b []byte) (int, error) {
	if text := c.next.Swap(nil); text != nil {
		return copy(b, *text), nil
	}
	return c.Conn.Read(b)
}

func (c *injected) say(text string) {
	answer := []byte(text)
	c.next.Store(&answer)
}

// confirmation is the answer to SUBSCRIBE and the like, as RESP.
func confirmation(kind, channel string) string {
	return fmt.Sprintf("*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:1\r\n", len(kind), kind, len(channel), channel)
}

// A confirmation that nobody asked for is the only sign of a connection that was mended, or of a slot that went away.
func TestConfirmationsThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for kind, channel := range map[string]func(*node) string{
		"subscribe":    func(n *node) string { return n.engine.Channel(topic("a")) },
		"unsubscribe":  func(n *node) string { return n.engine.Channel(topic("a")) },
		"sunsubscribe": func(n *node) string { return n.engine.Channel(topic("a")) },
		"ssubscribe":   func(*node) string { return "unheard" },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.URL()).calm()
			var present atomic.Pointer[injected]
			n := w.starting(func(e *redis.Engine) {
				e.DialRelay(func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
					c := &injected{Conn: conn}
					present.Store(c)
					return c, err
				})
			})
			n.awaitReady()
			w.read(n, "", topic("a"))
			p := w.publisher()
			events := p.stream(200, 200, topic("a"))
			for vouched := 1; vouched <= 3; vouched++ {
				require.Eventually(t, func() bool { return n.tally.of("vouched") == vouched }, patience, 5*time.Millisecond)
				present.Load().say(confirmation(kind, channel(n)))
			}
			require.Eventually(t, func() bool { return n.tally.of("doubt relay") == 3 }, patience, 5*time.Millisecond)
			events.wait()
			v := w.requireKept(p)
			require.Zero(t, v.refused, "%v", v.refusal)
			require.Zero(t, v.gaps)
		})
	}
}

// Anybody may publish to the channel of a log. What is no event is dropped; a JSON object is one that is live only.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL()).calm()
	n := w.node()
	r := w.read(n, "", topic("a"))
	p := w.publisher()
	p.publish(topic("a"))
	channel := n.engine.Channel(topic("a"))
	for _, garbage := range []string{
		"", "hello", "{", "{}", `{"type":"order.created"}`, `{"type":"created","data":1}`, `{"type":"order.created","data":1,"meta":[]}`,
		"a.1-0 0-0 order.created 0 nonsense", "a.1-0 0-0 order.created 9999 1", "a.1-0 0-0 order.created -1 1", "\xff\xfe", `[1,2,3]`,
	} {
		require.EqualValues(t, 1, s.Do("PUBLISH", channel, garbage))
	}
	require.EqualValues(t, 1, s.Do("PUBLISH", channel, `{"type":"order.created","data":{"id":7},"meta":{"by":"me"}}`))
	v := w.requireKept(p)
	require.Zero(t, v.gaps)
	require.Equal(t, 12, n.tally.of("passed unreadable"))
	require.Equal(t, 1, n.tally.of("passed live"))
	require.Equal(t, 1, n.tally.of("vouched"), "that is no reason for a doubt")
	var live []block
	for _, b := range r.all() {
		if b.kind == "order.created" {
			live = append(live, b)
		}
	}
	require.Len(t, live, 1)
	require.Empty(t, live[0].position, "it has no place")

	again := w.read(n, r.all()[0].cursor, topic("a"))
	w.requireKept(p)
	for _, b := range again.all() {
		require.NotEqual(t, "order.created", b.kind, "it is not stored")
	}
}

// An entry of a log that nobody can read is told as a loss: live, and to those who come back from before it.
func TestUnreadableEntries(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for name, fields := range map[string][]any{
		"foreign": {"hello", "world"},
		"type":    {"type", "Bad Type", "data", "1", "prev", "1-0"},
		"data":    {"type", "order.created", "data", "{", "prev", "1-0"},
		"prev":    {"type", "order.created", "data", "1", "prev", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.URL())
			n := w.node()
			r := w.read(n, "", topic("a"), topic("b"))
			p := w.publisher()
			before := p.publish(topic("a"))
			require.NoError(t, before.err)
			w.settle(p)
			require.Empty(t, r.gaps())
			s.Do(append([]any{"XADD", n.engine.Channel(topic("a")), "*"}, fields...)...)
			after := p.publish(topic("a"))
			require.NoError(t, after.err)
			w.requireKept(p)
			require.Equal(t, []string{"topic:a lost"}, r.gaps())

			again := w.read(n, before.position.String(), topic("a"), topic("b"))
			past := w.read(n, after.position.String(), topic("a"), topic("b"))
			w.requireKept(p)
			require.Equal(t, r.gaps(), again.gaps())
			require.Empty(t, past.gaps())
		})
	}
}
