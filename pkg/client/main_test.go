package client_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/pkg/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network in memory, which synctest can wait for.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	dials  atomic.Int32
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.dials.Add(1)
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// server is one that answers each request by the next of its handlers, and further ones by the last.
type server struct {
	*pipes

	mu       sync.Mutex
	handlers []http.HandlerFunc
	requests []*http.Request
	bodies   []string
	times    []time.Duration
	began    time.Time
}

// serve starts a server, in memory, until the test ends.
func serve(tb testing.TB, handlers ...http.HandlerFunc) *server {
	tb.Helper()
	s := &server{pipes: newPipes(), handlers: handlers, began: time.Now()}
	h := httptest.NewUnstartedServer(s)
	require.NoError(tb, h.Listener.Close())
	h.Listener = s.pipes
	h.Start()
	tb.Cleanup(h.Close)
	return s
}

// ServeHTTP notes the request and answers it.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	s.times = append(s.times, time.Since(s.began))
	handler := s.handlers[min(len(s.requests), len(s.handlers))-1]
	s.mu.Unlock()
	handler(w, r)
}

// seen returns the requests so far, their bodies, and when they came.
func (s *server) seen() ([]*http.Request, []string, []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...), append([]string(nil), s.bodies...), append([]time.Duration(nil), s.times...)
}

// connect returns a client of the server, until the test ends. change may be nil.
func (s *server) connect(tb testing.TB, change func(*client.Config)) *client.Client {
	tb.Helper()
	transport := &http.Transport{DialContext: s.dial}
	tb.Cleanup(transport.CloseIdleConnections)
	cfg := client.DefaultConfig()
	cfg.URLs = []string{"http://node.test"}
	cfg.HTTPClient = &http.Client{Transport: transport, Timeout: time.Nanosecond}
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	require.NoError(tb, err)
	return c
}

// answer returns a handler that says this.
func answer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// problem returns a handler that answers with a problem document.
func problem(status int, code string, retryAfter ...string) http.HandlerFunc {
	header := http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": retryAfter}
	return answer(status, header, fmt.Sprintf(`{"title":"T","status":%d,"detail":"because","code":%q}`, status, code))
}

// stream returns a handler that sends an event stream, in pieces, and ends.
func stream(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		send(w, pieces...)
	}
}

// open is stream, but the server does not end.
func open(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(pieces...)(w, r)
		<-r.Context().Done()
	}
}

func send(w http.ResponseWriter, pieces ...string) {
	_ = http.NewResponseController(w).Flush()
	for _, piece := range pieces {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// cut ends a connection without an end of the body.
func cut(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(pieces...)(w, r)
		panic(http.ErrAbortHandler)
	}
}

// hang answers nothing.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
