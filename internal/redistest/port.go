package redistest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are taken from below the range that systems give to outgoing connections (from 32768 on Linux). There a client that
// dials a server that is down could be given the server's own port, and keep it from coming back.
const (
	firstPort = 10_000
	lastPort  = 32_767
)

// taken has the ports that this process has handed out: that of a server that is down is not free for others.
var taken = struct {
	mu    sync.Mutex
	ports map[int]bool
}{ports: make(map[int]bool)}

// freePort returns a loopback port that nobody listens on. It is not handed out again before releasePort.
func freePort() (int, error) {
	taken.mu.Lock()
	defer taken.mu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if taken.ports[port] {
			continue
		}
		l, err := listen(loopback(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		taken.ports[port] = true
		return port, nil
	}
	return 0, errors.New("there is no free port on the loopback interface")
}

// FreeAddress returns a loopback address that nobody listens on, for a program that may be stopped and started again. It is not
// handed out again before the test has ended.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { releasePort(port) })
	return loopback(port)
}

func listen(addr string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
}

func releasePort(port int) {
	taken.mu.Lock()
	defer taken.mu.Unlock()
	delete(taken.ports, port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
