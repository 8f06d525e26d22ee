package app

import (
	"context"
	"net"
	"net/http"
	"sync"
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
	most    int
	metrics socketMetrics

	mu   sync.Mutex
	open map[net.Conn]*socket
}

// socket is what is known of a connection.
type socket struct {
	served   bool // a request of it, or more
	hijacked bool // taken over by a stream: net/http will not tell of its end
}

func newSockets(most int, metrics socketMetrics) *sockets {
	return &sockets{most: most, metrics: metrics, open: make(map[net.Conn]*socket)}
}

// socketKey is where a request's context has its connection.
type socketKey struct{}

// watch has a server tell what becomes of its connections.
func (s *sockets) watch(server *http.Server) {
	next := server.Handler
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, socketKey{}, conn)
	}
	server.ConnState = s.changed
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(socketKey{}).(net.Conn); ok {
			s.serve(conn)
			defer s.left(conn)
		}
		next.ServeHTTP(w, r)
	})
}

// limit returns a listener that lets no more in than there is room for.
func (s *sockets) limit(l net.Listener) net.Listener { return limited{l, s} }

type limited struct {
	net.Listener

	sockets *sockets
}

// Accept returns the next connection that there is room for.
func (l limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.sockets.enter(conn) {
			return conn, err
		}
		_ = conn.Close() //nolint:errcheck // it was never used
	}
}

func (s *sockets) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most {
		s.metrics.SocketDropped(droppedFull)
		return false
	}
	s.open[conn] = &socket{}
	s.metrics.SocketOpened()
	return true
}

// changed is the server's hook: it comes after a connection's last request, and more than once for one of HTTP/2.
func (s *sockets) changed(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.open[conn]
	switch {
	case known == nil:
	case state == http.StateHijacked:
		known.hijacked = true
	case state == http.StateClosed:
		s.leave(conn, known)
	}
}

func (s *sockets) serve(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.open[conn]; known != nil {
		known.served = true
	}
}

// left is called when a request has been served: a connection that was taken over has ended by then.
func (s *sockets) left(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.open[conn]; known != nil && known.hijacked {
		s.leave(conn, known)
	}
}

func (s *sockets) leave(conn net.Conn, known *socket) {
	delete(s.open, conn)
	s.metrics.SocketClosed()
	if !known.served {
		s.metrics.SocketDropped(droppedUnused)
	}
}
