package redistest

import (
	_ "embed"
	"time"
)

//go:embed preload/clock.c
var clockSource string

// ShiftClock puts the server's wall clock ahead of that of the machine, or behind it if by is negative, from its next start
// on; 0 puts it right again. Its monotonic clock, by which it measures how long things take, stays right.
func (s *Server) ShiftClock(by time.Duration) {
	s.t.Helper()
	s.change("clock", clockSource, "PUSHSTREAM_TEST_CLOCK_SHIFT", by)
}
