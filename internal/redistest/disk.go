package redistest

import (
	_ "embed"
	"time"
)

//go:embed preload/disk.c
var diskSource string

// SlowDisk has the server's disk take that much longer to store what was written, from its next start on; 0 makes it as fast
// as it is. With appendfsync everysec, the server holds back what comes in the meantime, as it does on a disk that is busy.
func (s *Server) SlowDisk(by time.Duration) {
	s.t.Helper()
	s.change("disk", diskSource, "PUSHSTREAM_TEST_DISK_DELAY", by)
}
