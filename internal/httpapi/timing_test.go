package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/sse"
)

// pipes is a listener of connections in memory, whose time is that of a test's bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, open := <-p; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { close(p); return nil }

func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// pipe serves a handler in the bubble and returns a connection to it.
func pipe(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	listener := make(pipes)
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }() // joined by the cleanup
	ours, theirs := net.Pipe()
	t.Cleanup(func() {
		ours.Close()
		server.Close()
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	listener <- theirs
	return ours
}

// trickle sends what begins a request and then a byte a second, until nobody takes it.
func trickle(conn net.Conn, begin string) {
	for text := begin; ; text = "x" {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
		<-time.After(time.Second)
	}
}

// readAnswer reads one whole answer.
func readAnswer(t *testing.T, input *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(input, nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// TestBodyHasToArriveInTime sends bodies byte by byte to where they are read, and to where they are not.
func TestBodyHasToArriveInTime(t *testing.T) {
	for name, c := range map[string]struct {
		begin  string
		status int
		code   string
	}{
		"publish":            {"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n", 408, "body_timeout"},
		"publish, chunked":   {"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", 408, "body_timeout"},
		"refused by headers": {"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n", 415, "content_type"},
		"refused by host":    {"POST /events HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 10000\r\n\r\n", 403, "forbidden"},
		"no such path":       {"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n", 404, "http"},
		"no body wanted":     {"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				conn := pipe(t, newAPI(testConfig(), fakeCore{}).Handler())
				var sender sync.WaitGroup
				sender.Go(func() { trickle(conn, c.begin) })
				defer sender.Wait()
				defer conn.Close()
				input := bufio.NewReader(conn)
				a := readAnswer(t, input)
				require.Equal(t, c.status, a.status)
				require.Contains(t, a.body, c.code)
				_, err := input.ReadByte()
				require.ErrorIs(t, err, io.EOF, "the connection is given up")
				require.LessOrEqual(t, time.Since(start), 31*time.Second)
			})
		})
	}
}

// TestStoringHasItsOwnTime: the body's time is over when it has been read.
func TestStoringHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := fakeCore{publish: func(ctx context.Context) error {
			select {
			case <-time.After(25 * time.Second):
				return nil
			case <-ctx.Done():
				return backplane.ErrUnavailable
			}
		}}
		conn := pipe(t, newAPI(testConfig(), core).Handler())
		input := bufio.NewReader(conn)
		for range 2 { // the second time on the same connection
			_, err := io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n")
			require.NoError(t, err)
			<-time.After(20 * time.Second)
			_, err = io.WriteString(conn, goodEvent)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"test.1-0"}`, readAnswer(t, input).body)
			<-time.After(time.Minute)
		}
	})
}

// TestRefusedReaderIsHeld: a stream that only says when to come back does not end at once, and not long after either.
func TestRefusedReaderIsHeld(t *testing.T) {
	for range 20 { // the times are random
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			conn := pipe(t, newAPI(testConfig(), fakeCore{err: backplane.ErrUnavailable}).Handler())
			_, err := io.WriteString(conn, "GET /events?user=alice HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer response.Body.Close()
			messages := sse.NewReader(response.Body, sse.NewDecoder(1<<10))
			m, err := messages.Next()
			require.NoError(t, err)
			require.Zero(t, time.Since(start), "it is said at once")
			require.Equal(t, "pushstream.bye", m.Type)
			b := data[bye](t, m)
			require.Equal(t, "unavailable", b.Reason)
			require.Equal(t, m.Retry.Milliseconds(), *b.ReconnectMS)
			require.GreaterOrEqual(t, m.Retry, 2*time.Second)
			require.Less(t, m.Retry, 6*time.Second)
			_, err = messages.Next()
			require.ErrorIs(t, err, io.EOF)
			require.InDelta(t, m.Retry/2, time.Since(start), float64(time.Millisecond))
		})
	}
}

// TestHeldReaderHangsUp: nothing is held for one who has gone.
func TestHeldReaderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		returned := make(chan time.Duration, 1)
		api := newAPI(testConfig(), fakeCore{err: backplane.ErrUnavailable}).Handler()
		conn := pipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(w, r)
			returned <- time.Since(start)
		}))
		_, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		require.NoError(t, err)
		_, err = bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		conn.Close()
		require.Zero(t, <-returned)
	})
}

// TestRetryAfterIsWholeSeconds: rounded down it would be too early.
func TestRetryAfterIsWholeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.PublishRate, cfg.PublishBurst = 0.4, 1
		conn := pipe(t, newAPI(cfg, fakeCore{}).Handler())
		input := bufio.NewReader(conn)
		post := func() answer {
			_, err := io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n"+goodEvent)
			require.NoError(t, err)
			return readAnswer(t, input)
		}
		require.Equal(t, http.StatusOK, post().status)
		a := post()
		a.refused(t, http.StatusTooManyRequests, "publish_rate")
		require.Equal(t, "3", a.header.Get("Retry-After"), "one event in 2.5 s")
		<-time.After(3 * time.Second)
		require.Equal(t, http.StatusOK, post().status)
	})
}
