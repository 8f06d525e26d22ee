package redistest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed preload/clock.c
var clockSource string

// ShiftClock puts the server's wall clock ahead of that of the machine, or behind it if by is negative, from its next start
// on; 0 puts it right again. Its monotonic clock, by which it measures how long things take, stays right.
func (s *Server) ShiftClock(by time.Duration) {
	s.t.Helper()
	l := s.process()
	l.env = nil
	if by == 0 {
		return
	}
	library := filepath.Join(s.t.TempDir(), "clock.so")
	require.NoError(s.t, buildClock(library), "a clock of its own needs Linux and gcc (scripts/setup gcc)")
	l.env = []string{"LD_PRELOAD=" + library, fmt.Sprintf("PUSHSTREAM_TEST_CLOCK_SHIFT=%d", by.Nanoseconds())}
}

// buildClock makes the library that stands between a program and its clock.
func buildClock(library string) error {
	if runtime.GOOS != "linux" {
		return errors.ErrUnsupported
	}
	cmd := exec.CommandContext(context.Background(), "gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, "-x", "c", "-")
	return run(cmd, clockSource)
}
