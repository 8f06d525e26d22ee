package sse_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// tcp returns the two ends of a connection.
func tcp(t *testing.T) (server, client net.Conn) {
	t.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer listener.Close()
	client, err = net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return server, client
}

func hijacked(t *testing.T, conn net.Conn) *sse.Hijacked {
	t.Helper()
	s, err := sse.NewHijacked(conn, nil, sse.DefaultConfig())
	require.NoError(t, err)
	return s
}

func TestTCPSlowReader(t *testing.T) {
	t.Parallel()
	server, client := tcp(t)
	s, o := hijacked(t, server), newOwner()
	served := serving(t.Context(), s, o)
	blocks, want := pattern(10_000) // 15 MB: more than the buffers of both ends hold

	blocked := make(chan struct{}, 1)
	read := make(chan []byte, 1)
	go func() {
		<-blocked // the reader takes nothing before
		got, err := io.ReadAll(client)
		if err != nil {
			t.Error(err)
		}
		read <- got
	}()
	require.Positive(t, pump(t, signalling{s, blocked}, o, blocks), "blocks were cut")
	s.Close()
	_, got, _ := bytes.Cut(within(t, read, "the end of reading"), []byte("\r\n\r\n"))
	require.True(t, bytes.Equal(want, got), "everything arrives, once and in order")
	require.NoError(t, client.Close())
	require.NoError(t, within(t, served, "the end of Serve"))
	require.Empty(t, o.gone)
}

// signalling tells when Write took fewer than all.
type signalling struct {
	stream

	blocked chan struct{}
}

func (s signalling) Write(blocks [][]byte) (int, error) {
	n, err := s.stream.Write(blocks)
	total := 0
	for _, b := range blocks {
		total += len(b)
	}
	if n < total {
		select {
		case s.blocked <- struct{}{}:
		default:
		}
	}
	return n, err
}

func TestTCPHangUp(t *testing.T) {
	t.Parallel()
	for name, writing := range map[string]bool{"of a quiet stream": false, "in the middle of a write": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := tcp(t)
			s, o := hijacked(t, server), newOwner()
			served := serving(t.Context(), s, o)
			skipHead(t, client)
			over := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() { // more than any socket holds
				for writing {
					if _, err := s.Write([][]byte{make([]byte, 64<<10)}); err != nil {
						return
					}
					select {
					case <-o.writable:
					case <-over:
						return
					}
				}
			})
			require.NoError(t, client.Close())
			require.ErrorIs(t, within(t, o.gone, "Gone"), sse.ErrHungUp)
			require.ErrorIs(t, within(t, served, "the end of Serve"), sse.ErrHungUp)
			close(over)
			writer.Wait()
			require.Empty(t, o.gone, "told once")
		})
	}
}

// A connection with unread input that is closed is reset, and the reader may lose what it has not read yet.
func TestTCPCloseLosesNothing(t *testing.T) {
	t.Parallel()
	server, client := tcp(t)
	s, o := hijacked(t, server), newOwner()
	blocks, want := pattern(12)
	n, err := s.Write(blocks)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	served := serving(t.Context(), s, o)
	s.Close()
	_, err = client.Write([]byte("\r\n"))
	require.NoError(t, err)
	skipHead(t, client)
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = client.Write([]byte("still here"))
	require.NoError(t, err, "it waits for the reader to hang up")
	require.NoError(t, client.Close())
	require.NoError(t, within(t, served, "the end of Serve"))
	require.Empty(t, o.gone)
}

func TestHijackedThroughHTTP(t *testing.T) {
	t.Parallel()
	o := newOwner()
	served := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			served <- err
			return
		}
		s, err := sse.NewHijacked(conn, http.Header{"Content-Type": {"text/event-stream"}}, sse.DefaultConfig())
		if err != nil {
			served <- err
			return
		}
		_, err = s.Write([][]byte{[]byte("data: a\n\n"), []byte("data: b\n\n")})
		s.Close()
		if err == nil {
			err = s.Serve(r.Context(), o)
		}
		served <- err
	}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "data: a\n\ndata: b\n\n", string(body))
	require.NoError(t, within(t, served, "the end of Serve"))
}

func TestHead(t *testing.T) {
	t.Parallel()
	conn, reader := net.Pipe()
	s, err := sse.NewHijacked(conn, http.Header{
		"X-B":               {"2", "3\t4"},
		"X-A":               {"1"},
		"Connection":        {"keep-alive"},
		"Content-Length":    {"5"},
		"Transfer-Encoding": {"chunked"},
	}, sse.DefaultConfig())
	require.NoError(t, err)
	s.Close()
	served := serving(t.Context(), s, newOwner())
	raw, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.NoError(t, <-served)
	require.Regexp(t, "^HTTP/1.1 200 OK\r\nDate: [^\r\n]+ GMT\r\nX-A: 1\r\nX-B: 2\r\nX-B: 3\t4\r\nConnection: close\r\n\r\n$", string(raw))
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = http.ParseTime(response.Header.Get("Date"))
	require.NoError(t, err)
	require.True(t, response.Close)
	require.Empty(t, response.TransferEncoding)
	require.Equal(t, int64(-1), response.ContentLength)
}

func TestHeadKeepsADate(t *testing.T) {
	t.Parallel()
	conn, reader := net.Pipe()
	s, err := sse.NewHijacked(conn, http.Header{"Date": {"today"}}, sse.DefaultConfig())
	require.NoError(t, err)
	s.Close()
	served := serving(t.Context(), s, newOwner())
	raw, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.NoError(t, <-served)
	require.Equal(t, "HTTP/1.1 200 OK\r\nDate: today\r\nConnection: close\r\n\r\n", string(raw))
}

func TestHeadRefusesWhatIsNoHeader(t *testing.T) {
	t.Parallel()
	for _, header := range []http.Header{
		{"X-A": {"1\r\nX-B: 2"}},
		{"X-A": {"1\n"}},
		{"X-A": {"fine", "1\x00"}},
		{"X-A": {"\x7f"}},
		{"X-A\r\nX-B": {"1"}},
		{"X A": {"1"}},
		{"X:A": {"1"}},
		{"\u00e9": {"1"}},
		{"": {"1"}},
	} {
		_, err := sse.NewHijacked(nil, header, sse.DefaultConfig())
		require.ErrorIs(t, err, sse.ErrField, "%q", header)
	}
}
