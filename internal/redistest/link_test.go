package redistest_test

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn
}

// ping sends a PING.
func ping(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
}

// pong reads the answer to a PING.
func pong(t *testing.T, conn net.Conn) {
	t.Helper()
	answer := make([]byte, len("+PONG\r\n"))
	_, err := io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", string(answer))
}

// requireSilence waits a moment for data that must not come.
func requireSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	n, err := conn.Read(make([]byte, 1))
	require.Zero(t, n)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
}

func TestLinkBlackhole(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	conn := dial(t, link.Addr)
	ping(t, conn)
	pong(t, conn)

	observer := s.Client()
	clients := func() int { return strings.Count(observer.ClientList(t.Context()).Val(), "\n") }
	before := clients()

	require.Zero(t, link.Held())
	link.Blackhole()
	ping(t, conn)
	requireSilence(t, conn)
	require.EqualValues(t, len("PING\r\n"), link.Held())
	late := dial(t, link.Addr)
	ping(t, late)
	requireSilence(t, late)
	require.Equal(t, before, clients(), "a new connection has come through")

	link.Heal()
	pong(t, conn)
	pong(t, late)
	held := link.Held()
	ping(t, conn)
	pong(t, conn)
	require.Equal(t, held, link.Held())
}

func TestLinkBlackholeHidesAnEnd(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	conn := dial(t, link.Addr)
	_, err := io.WriteString(conn, "CLIENT SETNAME ending\r\n")
	require.NoError(t, err)
	observer := s.Client()
	connected := func() bool { return strings.Contains(observer.ClientList(t.Context()).Val(), "name=ending") }
	require.Eventually(t, connected, 10*time.Second, time.Millisecond)

	link.Blackhole()
	require.NoError(t, conn.Close())
	require.Never(t, func() bool { return !connected() }, 200*time.Millisecond, 20*time.Millisecond)

	link.Heal()
	require.Eventually(t, func() bool { return !connected() }, 10*time.Second, time.Millisecond)
}

func TestLinkCutLosesWhatIsInABlackhole(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	conn := dial(t, link.Addr)
	ping(t, conn)
	pong(t, conn)

	link.Blackhole()
	_, err := io.WriteString(conn, "SET k v\r\n")
	require.NoError(t, err)
	requireSilence(t, conn)
	link.Cut()
	link.Heal()

	conn = dial(t, link.Addr)
	ping(t, conn)
	pong(t, conn)
	require.Nil(t, s.Do("GET", "k"))
}

func TestLinkDelay(t *testing.T) {
	t.Parallel()
	link := redistest.StartLink(t, redistest.Start(t).Addr)
	conn := dial(t, link.Addr)
	link.Delay(100 * time.Millisecond)
	begun := time.Now()
	ping(t, conn)
	pong(t, conn)
	require.GreaterOrEqual(t, time.Since(begun), 200*time.Millisecond)
	require.EqualValues(t, len("PING\r\n+PONG\r\n"), link.Held())

	link.Delay(0)
	ping(t, conn)
	pong(t, conn)
	require.EqualValues(t, len("PING\r\n+PONG\r\n"), link.Held())
}

func TestLinkPassesOnTheEnd(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	conn := dial(t, link.Addr)
	_, err := io.WriteString(conn, "PING\r\nQUIT\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n+OK\r\n", string(answer))

	s.Kill()
	conn, err = net.Dial("tcp", link.Addr)
	if err == nil { // or it was refused at once
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	require.Error(t, err)
}

func TestLinkCut(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	link := redistest.StartLink(t, s.Addr)
	conn := dial(t, link.Addr)
	other := dial(t, link.Addr)
	for _, one := range []net.Conn{conn, other} {
		ping(t, one)
		pong(t, one)
	}

	require.Equal(t, 2, link.Cut())
	require.Zero(t, link.Cut())
	for _, one := range []net.Conn{conn, other} {
		_, err := one.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}

	conn = dial(t, link.Addr)
	ping(t, conn)
	pong(t, conn)
}
