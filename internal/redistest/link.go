package redistest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Link is a TCP link to a server that can be harmed. It does to connections what a network does, where Toxiproxy lets their
// ends through, closes them when the harm is over, and cannot reset those that are open.
//
// All methods are safe for concurrent use, and nobody has to wait for them.
type Link struct {
	// Addr is its host and port on this side.
	Addr string

	target   string
	listener net.Listener
	ended    sync.WaitGroup // of accept and all flows

	mu     sync.Mutex
	open   chan struct{} // closed while data may pass
	delay  time.Duration
	flows  map[*flow]bool
	held   int64
	closed bool
}

// StartLink starts a link to the server at an address. It ends with the test.
func StartLink(tb testing.TB, addr string) *Link {
	tb.Helper()
	listener, err := listen(loopback(0))
	require.NoError(tb, err)
	l := &Link{
		Addr: listener.Addr().String(), target: addr, listener: listener,
		open: make(chan struct{}), flows: make(map[*flow]bool),
	}
	close(l.open)
	l.ended.Go(l.accept) // joined by the cleanup
	tb.Cleanup(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.Cut()
		require.NoError(tb, listener.Close())
		l.ended.Wait()
	})
	return l
}

// Blackhole lets nothing through any more, in neither direction, while all connections stay open and take data until the
// buffers are full. New connections lead nowhere.
func (l *Link) Blackhole() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passes() {
		l.open = make(chan struct{})
	}
}

// Heal ends a black hole. As TCP repeats what was lost, all that was sent in the meantime arrives now, late, unless the
// connection has been cut.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.passes() {
		close(l.open)
	}
}

// passes reports whether data may pass; mu is held.
func (l *Link) passes() bool {
	select {
	case <-l.open:
		return true
	default:
		return false
	}
}

// Cut resets all connections on both sides and returns how many there were. What was on its way is lost. New connections are
// not affected.
func (l *Link) Cut() (connections int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.flows {
		if !f.isCut {
			f.cut()
			connections++
		}
	}
	return connections
}

// Held returns how many bytes, in both directions, a black hole or a delay has held back since the start of the link. Those
// count that the link has taken: others may wait behind them in the senders' buffers.
func (l *Link) Held() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// hold counts data that has to wait, once.
func (l *Link) hold(c *chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.held && (l.delay > 0 || !l.passes()) {
		c.held = true
		l.held += int64(len(c.data))
	}
}

// Delay makes all that is sent from now on arrive later, in each direction.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.begin(client)
	}
}

// begin carries the data of a connection from a goroutine of its own.
func (l *Link) begin(client net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		reset(client)
		return
	}
	f := &flow{link: l, client: client, stop: make(chan struct{})}
	l.flows[f] = true
	l.ended.Go(f.run) // joined by the cleanup of StartLink
}
