package sse_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// handler serves one stream through the response, and gives it to the test.
type handler struct {
	cfg     sse.Config
	owner   owner
	streams chan *sse.Response
	served  chan error
}

func newHandler(cfg sse.Config) handler {
	return handler{cfg, newOwner(), make(chan *sse.Response, 1), make(chan error, 1)}
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	s := sse.NewResponse(w, h.cfg)
	h.streams <- s
	h.served <- s.Serve(r.Context(), h.owner)
}

func TestResponse(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1.1":          (*httptest.Server).Start,
		"HTTP/1.1 over TLS": (*httptest.Server).StartTLS,
		"HTTP/2": func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.StartTLS()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("delivers", func(t *testing.T) {
				t.Parallel()
				h, body, s := request(t, start)
				blocks, want := pattern(3000)
				read := make(chan []byte, 1)
				go func() {
					got, err := io.ReadAll(body)
					if err != nil {
						t.Error(err)
					}
					read <- got
				}()
				pump(t, s, h.owner, blocks)
				s.Close()
				require.True(t, bytes.Equal(want, within(t, read, "the end of reading")), "everything arrives, once and in order")
				require.NoError(t, within(t, h.served, "the end of Serve"))
				require.Empty(t, h.owner.gone)
				_, err := s.Write([][]byte{[]byte("late")})
				require.ErrorIs(t, err, sse.ErrClosed)
				s.Close() // does not touch the response, which is net/http's again
			})
			t.Run("notices the end of its reader", func(t *testing.T) {
				t.Parallel()
				h, body, s := request(t, start)
				require.NoError(t, body.Close())
				require.ErrorIs(t, within(t, h.owner.gone, "Gone"), sse.ErrHungUp)
				require.ErrorIs(t, within(t, h.served, "the end of Serve"), sse.ErrHungUp)
				_, err := s.Write([][]byte{[]byte("late")})
				require.ErrorIs(t, err, sse.ErrHungUp)
				s.Close()
				require.Empty(t, h.owner.gone, "told once")
			})
		})
	}
}

// request opens a stream whose first block has arrived.
func request(t *testing.T, start func(*httptest.Server)) (handler, io.ReadCloser, *sse.Response) {
	t.Helper()
	h := newHandler(sse.DefaultConfig())
	server := httptest.NewUnstartedServer(h)
	start(server)
	t.Cleanup(server.Close)
	bodies := fetch(t, server.Client(), server.URL)
	s := within(t, h.streams, "the request")
	first := []byte("data: first\n\n")
	n, err := s.Write([][]byte{first})
	require.NoError(t, err)
	require.Equal(t, len(first), n)
	body := within(t, bodies, "the answer")
	t.Cleanup(func() { body.Close() })
	_, err = io.ReadFull(body, first)
	require.NoError(t, err)
	require.Equal(t, "data: first\n\n", string(first))
	return h, body, s
}

// fetch asks for a stream and gives its body, which is the caller's to close.
func fetch(t *testing.T, client *http.Client, url string) <-chan io.ReadCloser {
	t.Helper()
	bodies := make(chan io.ReadCloser, 1)
	go func() {
		response, err := client.Get(url) //nolint:bodyclose // whoever receives it does
		if err != nil {
			t.Error(err)
			return
		}
		if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Error("content type: " + got)
		}
		bodies <- response.Body
	}()
	return bodies
}

// pipes is a listener of pipes: time in a test's bubble goes on while they wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	server, client := net.Pipe()
	p.conns <- server
	return client, nil
}

// overPipes opens a stream of an HTTP version, in a bubble, whose first block has arrived. The reader's end holds little.
func overPipes(t *testing.T, http2 bool, cfg sse.Config) (handler, io.Reader, *sse.Response) {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	h := newHandler(cfg)
	listener := pipes{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: h, Protocols: &protocols}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	transport := &http.Transport{
		DialContext: listener.dial, Protocols: &protocols,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
	}
	bodies := fetch(t, &http.Client{Transport: transport}, "http://node/")
	s := <-h.streams
	first := []byte("data: first\n\n")
	_, err := s.Write([][]byte{first})
	require.NoError(t, err)
	body := <-bodies
	t.Cleanup(func() {
		body.Close()
		transport.CloseIdleConnections()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	_, err = io.ReadFull(body, first)
	require.NoError(t, err)
	synctest.Wait() // the batch is done with
	return h, body, s
}

func TestResponseOutlivesSilence(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, body, s := overPipes(t, http2, sse.Config{WriteTimeout: 5 * time.Second, CloseTimeout: time.Second})
				<-time.After(time.Hour)
				_, err := s.Write([][]byte{[]byte("data: late\n\n")})
				require.NoError(t, err)
				s.Close()
				rest, err := io.ReadAll(body)
				require.NoError(t, err)
				require.Equal(t, "data: late\n\n", string(rest))
				require.NoError(t, <-h.served)
				require.Empty(t, h.owner.gone)
			})
		})
	}
}

func TestResponseToAReaderThatStalls(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for end, byClose := range map[string]bool{"is given up": false, "is given up by Close": true} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					cfg := sse.Config{WriteTimeout: 5 * time.Second, CloseTimeout: 2 * time.Second}
					h, _, s := overPipes(t, http2, cfg)
					for n := 1; n > 0; synctest.Wait() { // until all buffers are full
						var err error
						n, err = s.Write([][]byte{make([]byte, 64<<10)})
						require.NoError(t, err)
					}
					start, limit := time.Now(), cfg.WriteTimeout
					if byClose {
						limit = cfg.CloseTimeout
						s.Close()
						require.Zero(t, time.Since(start))
					}
					require.ErrorIs(t, <-h.served, sse.ErrStalled)
					require.Equal(t, limit, time.Since(start))
					if byClose {
						require.Empty(t, h.owner.gone)
					} else {
						require.ErrorIs(t, <-h.owner.gone, sse.ErrStalled)
					}
				})
			})
		}
	}
}

// A response that cannot bound its writes would let a stalled reader keep it for ever.
func TestResponseNeedsDeadlines(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	s, o := sse.NewResponse(recorder, sse.DefaultConfig()), newOwner()
	_, err := s.Write([][]byte{[]byte("data: a\n\n")})
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(t.Context(), o), http.ErrNotSupported)
	require.ErrorIs(t, <-o.gone, http.ErrNotSupported)
	require.Empty(t, recorder.Body.String())
}
