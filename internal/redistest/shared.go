package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// shared is the server that the tests of this process share.
var shared = struct {
	mu    sync.Mutex
	main  bool // Main runs, so somebody will stop the server
	url   string
	err   error
	close func() error
}{}

// Runner is what goleak.VerifyTestMain takes: a testing.M, or what Main returns.
type Runner interface {
	// Run runs the tests and returns the exit code.
	Run() int
}

// Main returns m with the stop of the shared server behind its last test. It belongs into the TestMain of every package
// that calls Shared:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }
func Main(m *testing.M) Runner { return runner{m} }

type runner struct{ m *testing.M }

// Run implements Runner.
func (r runner) Run() int {
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()

	code := r.m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.close == nil {
		return code
	}
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the shared server:", err)
		return max(code, 1)
	}
	return code
}

// Shared returns the server that all tests of a package share, which is started with the first of them. Each keeps to keys
// and channels that begin with its Prefix. The server must not be harmed.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	require.True(tb, shared.main, "Shared needs redistest.Main in the TestMain of the package")
	if shared.url == "" && shared.err == nil {
		shared.url, shared.err = startShared()
	}
	require.NoError(tb, shared.err)
	s := serverAt(tb, shared.url)
	s.spared = "tests share it; Start one for this test"
	return s
}

// startShared starts the shared server, unless one is named, and returns its URL.
func startShared() (string, error) {
	if url := os.Getenv(envURL); url != "" {
		return url, ping(url)
	}
	if _, err := program(); errors.Is(err, errNoProgram) {
		c, err := startContainer(context.Background(), nil)
		shared.close = c.close
		return c.url, err
	}
	dir, err := os.MkdirTemp("", "pushstream-redis-")
	if err != nil {
		return "", err
	}
	l, err := newLocal(dir, nil, nil)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	shared.close = func() error {
		l.close()
		return os.RemoveAll(dir)
	}
	return l.url(), l.run()
}

// ping returns an error unless the server that is named answers.
func ping(url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("parse %s: %w", envURL, err)
	}
	client := redis.NewClient(options)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(client.Ping(ctx).Err(), client.Close()); err != nil {
		return fmt.Errorf("ask the server that %s names: %w", envURL, err)
	}
	return nil
}

// Prefix returns a beginning for the names of keys and channels that no other test uses, not in other processes either. It
// consists of letters, digits and a hyphen.
func Prefix(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("test-%016x", rand.Uint64())
}
