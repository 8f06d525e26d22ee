package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
)

// fewSockets lets one stream and ten other connections in.
func fewSockets() config.Config {
	cfg := testConfig()
	cfg.Limits.Connections, cfg.Limits.OtherConnections = 1, 10
	return cfg
}

// dial opens a connection that asks for nothing.
func (c *client) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// metric returns the value of a metric, named with its labels.
func (c *client) metric(t *testing.T, name string) float64 {
	t.Helper()
	_, text := c.get(t, c.admin+"/metrics")
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(t, err)
			return number
		}
	}
	require.FailNow(t, "no metric "+name)
	return 0
}

// awaitSockets waits until so many connections are open.
func (c *client) awaitSockets(t *testing.T, want float64) {
	t.Helper()
	require.Eventually(t, func() bool { return c.metric(t, "pushstream_sockets") == want }, patience, 5*time.Millisecond)
}

func TestConnectionsOverTheLimitAreClosed(t *testing.T) {
	r := run(t, fewSockets())
	r.awaitSockets(t, 0) // those that asked whether it is ready
	var idle []net.Conn
	for range 11 {
		idle = append(idle, r.dial(t))
	}
	r.awaitSockets(t, 11)
	_, err := r.dial(t).Read(make([]byte, 1))
	require.Error(t, err, "there is no room, and no answer that a reader would take for the end")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.InEpsilon(t, 1, r.metric(t, `pushstream_sockets_dropped_total{reason="full"}`), 0.01)

	unused := `pushstream_sockets_dropped_total{reason="unused"}`
	before := r.metric(t, unused)
	require.NoError(t, idle[0].Close())
	r.awaitSockets(t, 10)
	require.InEpsilon(t, before+1, r.metric(t, unused), 0.01)
	r.publish(t)
	r.awaitSockets(t, 10)
	require.InEpsilon(t, before+1, r.metric(t, unused), 0.01, "the publisher's was used")

	for _, conn := range idle[1:] {
		require.NoError(t, conn.Close())
	}
	close(r.drain)
	require.NoError(t, r.stopped(t))
}

// What is counted in is counted out, however a connection ends: as a stream that was taken over, kept alive, or of HTTP/2.
func TestNoConnectionIsCountedForEver(t *testing.T) {
	r := run(t, fewSockets())
	ask := func(conn net.Conn, path string) {
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", path)
		require.NoError(t, err)
		_, err = io.ReadAtLeast(conn, make([]byte, 4<<10), len("HTTP/1.1 200 OK"))
		require.NoError(t, err)
	}
	for range 15 { // more than there is room for
		for _, path := range []string{"/events?user=alice", "/livez", "/events?user=%"} {
			conn := r.dial(t)
			ask(conn, path)
			require.NoError(t, conn.Close())
			r.awaitSockets(t, 0)
		}
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	admin := r.http
	r.http = &http.Client{Transport: transport}
	status, _ := r.get(t, r.url+"/livez")
	require.Equal(t, http.StatusOK, status)
	r.publish(t)
	r.http = admin
	r.awaitSockets(t, 1)
	transport.CloseIdleConnections()
	r.awaitSockets(t, 0)
	require.Zero(t, r.metric(t, `pushstream_sockets_dropped_total{reason="full"}`))
	close(r.drain)
	require.NoError(t, r.stopped(t))
}
