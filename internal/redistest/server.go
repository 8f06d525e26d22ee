package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
)

// patience is how long a command, or a change that follows from harm, may take.
const patience = 15 * time.Second

// Server is a server as one test sees it. It is not safe for concurrent use.
type Server struct {
	// Addr is its host and port.
	Addr string

	t       testing.TB
	options *redis.Options
	url     string

	local  *local // nil unless it is a process of this machine
	spared string // why it must not be harmed; empty if it may be
}

// Start starts a standalone server and stops it when the test ends. settings are directives as in redis.conf, such as
// "appendonly yes"; they win over the defaults: no persistence, no password.
//
// A server for itself is for tests that harm it or need settings. Others take Shared.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	if _, err := program(); errors.Is(err, errNoProgram) {
		return startInContainer(tb, settings)
	}
	return startLocal(tb, settings)
}

// StartIn is Start for a server in a host. The test hears over the cable that the server is up: while that is cut, it cannot
// be started, nor restarted.
func StartIn(host *Host, settings ...string) *Server {
	host.t.Helper()
	s := prepare(host.t, host, settings)
	s.Restart()
	return s
}

func startLocal(tb testing.TB, settings []string) *Server {
	tb.Helper()
	s := prepare(tb, nil, settings)
	s.Restart()
	return s
}

// prepare returns a server that has not been started yet, in a host if there is one.
func prepare(tb testing.TB, host *Host, settings []string) *Server {
	tb.Helper()
	l, err := newLocal(tb.TempDir(), host, settings)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		l.close()
		if tb.Failed() {
			tb.Logf("output of %s on %s:\n%s", l.program, l.addr(), l.out.String())
		}
	})
	s := serverAt(tb, l.url())
	s.local = l
	return s
}

// serverAt returns the server of a URL. It does not ask whether there is one.
func serverAt(tb testing.TB, address string) *Server {
	tb.Helper()
	options, err := redis.ParseURL(address)
	require.NoError(tb, err, "parse the URL of a server")
	return &Server{Addr: options.Addr, t: tb, options: options, url: address}
}

// URL returns the address with the password, if any, as redis.ParseURL takes it.
func (s *Server) URL() string { return s.url }

// Client returns a new client, which is closed when the test ends. It never repeats a command.
func (s *Server) Client() *redis.Client {
	client := s.newClient()
	s.t.Cleanup(func() {
		if err := client.Close(); !errors.Is(err, redis.ErrClosed) { // the test may have closed it
			require.NoError(s.t, err)
		}
	})
	return client
}

func (s *Server) newClient() *redis.Client {
	options := *s.options
	options.Protocol = 2
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	options.DialTimeout = time.Second
	options.DialerRetries = 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(&options)
}

// Do runs a command and returns the answer: nil, string, int64 or []any. An error fails the test. The command has a
// connection to itself, so WAIT and MULTI make no sense here.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	answer, err := s.try(args...)
	require.NoError(s.t, err, "%v on %s", args, s.Addr)
	return answer
}

// try runs a command. That there is no value is no error.
func (s *Server) try(args ...any) (answer any, err error) {
	client := s.newClient()
	defer func() { err = errors.Join(err, client.Close()) }()
	// The end of a test is not a reason to stop what its cleanup does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	answer, err = client.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return answer, err
}

// RunID returns the id that the server has given itself at its last start.
func (s *Server) RunID() string {
	s.t.Helper()
	return s.Info("server", "run_id")
}

// Info returns a field of what the server says of itself (INFO); the empty string if there is no such field.
func (s *Server) Info(section, field string) string {
	s.t.Helper()
	value, err := s.info(section, field)
	require.NoError(s.t, err)
	return value
}

// info is Info for a server that may be down.
func (s *Server) info(section, field string) (string, error) {
	answer, err := s.try("INFO", section)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(fmt.Sprint(answer)) {
		if found, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(found), nil
		}
	}
	return "", nil
}

// Kill ends the server with SIGKILL and waits until it has ended. What it has not persisted is lost.
func (s *Server) Kill() {
	s.t.Helper()
	l := s.process()
	require.NotNil(s.t, l.process, "kill server %s: it is down", s.Addr)
	l.kill()
}

// Stop ends the server in an orderly way, with SIGTERM, and waits until it has ended. Unless a setting says so, it does not
// persist anything then either.
func (s *Server) Stop() {
	s.t.Helper()
	require.NoError(s.t, s.process().stop())
}

// Restart starts a server that is down, on the same port and in the same folder, and waits until it answers. It has what it
// had persisted.
func (s *Server) Restart() {
	s.t.Helper()
	require.NoError(s.t, s.process().run())
}

// Wipe removes what a server that is down has persisted. It stays who it was in its cluster.
func (s *Server) Wipe() {
	s.t.Helper()
	require.NoError(s.t, s.process().wipe())
}

// Freeze stops the server with SIGSTOP: its connections stay, and nobody answers on them.
func (s *Server) Freeze() {
	s.t.Helper()
	l := s.process()
	require.NoError(s.t, l.signal(freeze))
	l.frozen = true
}

// Thaw lets a frozen server go on, with all that was sent to it in the meantime.
func (s *Server) Thaw() {
	s.t.Helper()
	l := s.process()
	require.NoError(s.t, l.signal(thaw))
	l.frozen = false
}

// process returns what is harmed.
func (s *Server) process() *local {
	s.t.Helper()
	if s.spared != "" {
		require.FailNow(s.t, "the server at "+s.Addr+" must not be harmed", s.spared)
	}
	return s.local
}

// await waits until done returns no error.
func await(tb testing.TB, what string, done func() error) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for err := done(); err != nil; err = done() {
		if time.Now().After(deadline) {
			require.NoError(tb, err, "after %v still no %s", patience, what)
		}
		<-ticker.C
	}
}

// up reports whether the server can answer as far as this package knows.
func (s *Server) up() bool { return s.local.process != nil && !s.local.frozen }
