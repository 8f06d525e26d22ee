package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
)

// socketMetrics counts the connections of the public listener.
type socketMetrics interface {
	SocketOpened()
	SocketClosed()
	SocketDropped(reason string)
}

const (
	// droppedFull is the reason of a connection that there was no room for.
	droppedFull = "full"
	// droppedUnused is that of one which ended before a request of it was served.
	droppedUnused = "unused"
)

// sockets bounds the TCP connections of a server: limits of streams begin with a request, and whoever only connects, or
// sends a request byte by byte, has none. One too many is closed at once and gets no answer, because a native EventSource
// gives up on any answer but 200, and comes back after a connection that failed. It is safe for concurrent use.
type sockets struct {
	most    int64
	metrics socketMetrics
	open    atomic.Int64
}

func newSockets(most int, metrics socketMetrics) *sockets {
	return &sockets{most: int64(most), metrics: metrics}
}

// socketKey is where a request's context has its connection.
type socketKey struct{}

// watch has a server note which connections are used.
func (s *sockets) watch(server *http.Server) {
	next := server.Handler
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, socketKey{}, conn)
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(socketKey{}).(*socket); ok {
			conn.served.Store(true)
		}
		growStack(0)
		next.ServeHTTP(w, r)
	})
}

// growStack has the goroutine's stack grown to what serving a request takes, in one step and while there is little on it: the
// runtime would double and copy it several times, which was a tenth of the time of a new connection.
//
//go:noinline
func growStack(i int) byte {
	var room [6 << 10]byte
	return room[i]
}

// limit returns a listener that lets no more in than there is room for.
func (s *sockets) limit(l net.Listener) net.Listener { return limited{l, s} }

type limited struct {
	net.Listener

	sockets *sockets
}

// Accept returns the next connection that there is room for. It lets everybody else have a turn first: where thousands of
// readers come back together, what is to be done for those who are here would otherwise wait behind all who are to come, who
// wait as well in the system's queue. Events for live readers took 400 ms in such a storm, and 50 ms with this.
func (l limited) Accept() (net.Conn, error) {
	for {
		runtime.Gosched()
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if s := l.sockets; s.open.Add(1) <= s.most {
			s.metrics.SocketOpened()
			return &socket{Conn: conn, of: s}, nil
		}
		l.sockets.open.Add(-1)
		l.sockets.metrics.SocketDropped(droppedFull)
		_ = conn.Close() //nolint:errcheck // it was never used
	}
}

// socket is a connection that counts until it is closed.
type socket struct {
	net.Conn // nil once it was given away

	of     *sockets
	served atomic.Bool // a request of it, or more
	closed atomic.Bool
}

// Detach gives the connection away. What is left counts until it is closed too.
func (s *socket) Detach() net.Conn {
	conn := s.Conn
	s.Conn = nil
	return conn
}

// CloseWrite says that nothing follows. net/http does so before it closes a connection whose request it has not read.
func (s *socket) CloseWrite() error {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close closes the connection, if it was not given away.
func (s *socket) Close() error {
	if !s.closed.Swap(true) {
		s.of.open.Add(-1)
		s.of.metrics.SocketClosed()
		if !s.served.Load() {
			s.of.metrics.SocketDropped(droppedUnused)
		}
	}
	if s.Conn == nil {
		return nil
	}
	return s.Conn.Close()
}
