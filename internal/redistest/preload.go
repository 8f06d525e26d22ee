package redistest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed preload/clock.c
var clockSource string

//go:embed preload/disk.c
var diskSource string

// preload is a library that stands between a server and a function of its machine.
type preload struct {
	library  string // its path
	variable string // what it reads from the environment, with the value
}

// ShiftClock puts the server's wall clock ahead of that of the machine, or behind it if by is negative, from its next start
// on; 0 puts it right again. Its monotonic clock, by which it measures how long things take, stays right.
func (s *Server) ShiftClock(by time.Duration) {
	s.t.Helper()
	s.change("clock", clockSource, "PUSHSTREAM_TEST_CLOCK_SHIFT", by)
}

// SlowDisk has the server's disk take that much longer to store what was written, from its next start on; 0 makes it as fast
// as it is. With appendfsync everysec, the server holds back what comes in the meantime, as it does on a disk that is busy.
func (s *Server) SlowDisk(by time.Duration) {
	s.t.Helper()
	s.change("disk", diskSource, "PUSHSTREAM_TEST_DISK_DELAY", by)
}

// change has the server run with a library from its next start on, which is told how much to change; 0 takes it away.
func (s *Server) change(name, source, variable string, by time.Duration) {
	s.t.Helper()
	l := s.process()
	if by == 0 {
		delete(l.preload, name)
		return
	}
	library := filepath.Join(s.t.TempDir(), name+".so")
	require.NoError(s.t, build(library, source), "a %s of its own needs Linux and gcc (scripts/setup gcc)", name)
	if l.preload == nil {
		l.preload = make(map[string]preload)
	}
	l.preload[name] = preload{library: library, variable: fmt.Sprintf("%s=%d", variable, by.Nanoseconds())}
}

// build compiles a library.
func build(library, source string) error {
	if runtime.GOOS != "linux" {
		return errors.ErrUnsupported
	}
	cmd := exec.CommandContext(context.Background(), "gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, "-x", "c", "-")
	return run(cmd, source)
}

// environment returns what a server finds its libraries by.
func environment(preloads map[string]preload) (env []string) {
	var libraries []string
	for _, p := range preloads {
		libraries, env = append(libraries, p.library), append(env, p.variable)
	}
	if len(libraries) > 0 {
		env = append(env, "LD_PRELOAD="+strings.Join(libraries, ":"))
	}
	return env
}
