package redistest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// envReach names the server that TestReach reaches.
const envReach = "PUSHSTREAM_TEST_REACH"

// reachFrom returns a command that runs TestReach in a host.
func reachFrom(t *testing.T, host *redistest.Host, addr string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := host.Command(self, "-test.run", "^TestReach$")
	cmd.Env = append(os.Environ(), envReach+"="+addr)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestReach is a program for hosts: it sends a PING and prints what it reads, up to the end.
func TestReach(t *testing.T) {
	addr := os.Getenv(envReach)
	if addr == "" {
		return
	}
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	ping(t, conn)
	_, err = io.Copy(os.Stdout, conn)
	require.NoError(t, err)
}

// start starts a command that is killed when the test ends, and returns what it prints.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	printed, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	return bufio.NewReader(printed)
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func requireLine(t *testing.T, want string, from *bufio.Reader) {
	t.Helper()
	line, err := from.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, want, strings.TrimSpace(line))
}

// ask sends TIME. The answer says when the server has got it.
func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, "TIME\r\n")
	require.NoError(t, err)
}

// askedAt reads the answer to ask.
func askedAt(t *testing.T, conn net.Conn) time.Time {
	t.Helper()
	var numbers []int64
	for answer := bufio.NewScanner(conn); len(numbers) < 2 && answer.Scan(); {
		if n, err := strconv.ParseInt(answer.Text(), 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	require.Len(t, numbers, 2)
	return time.Unix(numbers[0], numbers[1]*1000)
}

func TestServerInAHost(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	s := redistest.StartIn(host, "appendonly yes", "appendfsync always", "requirepass secret")
	require.True(t, strings.HasPrefix(s.Addr, host.Addr+":"), s.Addr)
	require.Equal(t, "redis://:secret@"+s.Addr+"/0", s.URL())
	s.Do("SET", "k", "v")

	s.Kill()
	_, err := net.Dial("tcp", s.Addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	s.Restart()
	require.Equal(t, "v", s.Do("GET", "k"))

	conn := dial(t, s.Addr)
	s.Freeze()
	ping(t, conn)
	requireSilence(t, conn)
	s.Thaw()
	s.Stop()
	s.Wipe()
	s.Restart()
	require.Nil(t, s.Do("GET", "k"))
	incoming, outgoing := host.Lost()
	require.Zero(t, incoming)
	require.Zero(t, outgoing)
}

func TestHostReaches(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	for name, s := range map[string]*redistest.Server{
		"outside":    redistest.Start(t),
		"itself":     redistest.StartIn(host),
		"other host": redistest.StartIn(redistest.StartHost(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLine(t, "+PONG", start(t, reachFrom(t, host, s.Addr)))
		})
	}
}

func TestCutServerIsSilent(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	s := redistest.StartIn(host)
	conn, waiting := dial(t, s.Addr), dial(t, s.Addr)
	_, err := io.WriteString(waiting, "BLPOP none 0.1\r\n")
	require.NoError(t, err)
	ping(t, conn)
	pong(t, conn)

	host.Cut()
	ask(t, conn)
	requireSilence(t, conn)
	requireSilence(t, waiting)
	_, err = net.DialTimeout("tcp", s.Addr, 200*time.Millisecond)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)
	incoming, outgoing := host.Lost()
	require.Positive(t, incoming)
	require.Positive(t, outgoing)

	mended := time.Now()
	host.Mend()
	require.False(t, askedAt(t, conn).Before(mended), "it has come through")
	nothing := make([]byte, len("*-1\r\n"))
	_, err = io.ReadFull(waiting, nothing)
	require.NoError(t, err)
	pingsThrough(t, host, conn)
}

// pingsThrough requires that a connection is whole and that nothing is lost any more.
func pingsThrough(t *testing.T, host *redistest.Host, conn net.Conn) {
	t.Helper()
	incoming, outgoing := host.Lost()
	ping(t, conn)
	pong(t, conn)
	incomingNow, outgoingNow := host.Lost()
	require.Equal(t, incoming, incomingNow)
	require.Equal(t, outgoing, outgoingNow)
}

func TestDropOutgoing(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	conn := dial(t, redistest.StartIn(host).Addr)
	ping(t, conn)
	pong(t, conn)

	host.DropOutgoing()
	ask(t, conn)
	requireSilence(t, conn)
	incoming, outgoing := host.Lost()
	require.Zero(t, incoming)
	require.Positive(t, outgoing)

	mended := time.Now()
	host.Mend()
	require.True(t, askedAt(t, conn).Before(mended), "it has been lost on its way there")
	pingsThrough(t, host, conn)
}

func TestDropIncoming(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	conn := dial(t, redistest.StartIn(host).Addr)
	ping(t, conn)
	pong(t, conn)

	host.DropIncoming()
	ask(t, conn)
	requireSilence(t, conn)
	incoming, outgoing := host.Lost()
	require.Positive(t, incoming)
	require.Zero(t, outgoing)

	mended := time.Now()
	host.Mend()
	require.False(t, askedAt(t, conn).Before(mended), "it has come through")
	pingsThrough(t, host, conn)
}

func TestLostIsAddedUp(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	conn := dial(t, redistest.StartIn(host).Addr)
	var before int64
	for range 2 {
		host.Cut()
		host.Cut() // once is enough
		ask(t, conn)
		requireSilence(t, conn)
		host.Mend()
		host.Mend()
		askedAt(t, conn)
		lost, _ := host.Lost()
		require.Greater(t, lost, before)
		before = lost
	}
}

// A reader that dies behind a cut cable leaves a server that does not know.
func TestCutReaderEndsUnseen(t *testing.T) {
	t.Parallel()
	host := redistest.StartHost(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	cmd := reachFrom(t, host, listener.Addr().String())
	printed := start(t, cmd)
	conn, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	from, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	require.NoError(t, err)
	require.Equal(t, host.Addr, from)
	_, err = io.ReadFull(conn, make([]byte, len("PING\r\n")))
	require.NoError(t, err)
	_, err = io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	requireLine(t, "hello", printed)

	host.Cut()
	kill(cmd)
	requireSilence(t, conn)
	_, err = io.WriteString(conn, "is anybody there?\n")
	require.NoError(t, err)
	requireSilence(t, conn)
	_, outgoing := host.Lost()
	require.Positive(t, outgoing, "the reader's system has not sent the end")

	host.Mend()
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestManyHosts(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 20 {
		host := redistest.StartHost(t)
		require.False(t, seen[host.Addr], host.Addr)
		seen[host.Addr] = true
	}
}

// device is the outside end of a host's cable.
func device(t *testing.T, addr string) string {
	t.Helper()
	ip := net.ParseIP(addr).To4()
	require.NotNil(t, ip, addr)
	return fmt.Sprintf("pshost%02x%02x", ip[2], ip[3])
}

func TestHostEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var cable string
	t.Cleanup(func() { // behind that of the host
		_, err := net.InterfaceByName(cable)
		require.Error(t, err)
	})
	cable = device(t, redistest.StartHost(t).Addr)
	_, err := net.InterfaceByName(cable)
	require.NoError(t, err)
}

// envLeave makes TestLeave do something.
const envLeave = "PUSHSTREAM_TEST_LEAVE"

// TestLeave is a test run that is killed.
func TestLeave(t *testing.T) {
	if os.Getenv(envLeave) == "" {
		return
	}
	host := redistest.StartHost(t)
	s := redistest.StartIn(host)
	fmt.Println(host.Addr)                                 //nolint:forbidigo // for the test that has started this
	fmt.Println(s.Client().InfoMap(t.Context(), "server")) //nolint:forbidigo // as above
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestKilledTestRunLeavesNothing(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^TestLeave$")
	cmd.Env = append(os.Environ(), envLeave+"=1", "TMPDIR="+t.TempDir()) // nobody else would remove its folders
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	printed := start(t, cmd)
	addr, err := printed.ReadString('\n')
	require.NoError(t, err)
	there := device(t, strings.TrimSpace(addr))
	_, err = net.InterfaceByName(there)
	require.NoError(t, err)
	_, err = printed.ReadString('\n') // the server is up
	require.NoError(t, err)

	kill(cmd)
	require.Eventually(t, func() bool {
		_, err := net.InterfaceByName(there)
		return err != nil
	}, 10*time.Second, 20*time.Millisecond)
}

func TestHostWithoutTools(t *testing.T) {
	t.Setenv("PATH", "")
	requireFailure(t, "scripts/setup ip", func(f *failing) { redistest.StartHost(f) })
}

func TestHostWithoutRights(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	// No other user may run this program, which is in a folder of its own. So it is root, but without root's rights.
	said, err := exec.Command("setpriv", "--bounding-set=-all", self, "-test.run", "^TestManyHosts$").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "operation not permitted")
	require.Contains(t, string(said), "unshare -Urn")
}
