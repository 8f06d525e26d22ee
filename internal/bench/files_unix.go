//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// openFiles makes sure that so many files can be open at a time, sockets among them. It raises the soft limit to the
// hard one where that is needed.
func openFiles(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil //nolint:nilerr // then connecting says what is wrong
	}
	have, most := uint64(limit.Cur), uint64(limit.Max) //nolint:unconvert // signed on some systems
	if have >= need {
		return nil
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		have = most
	}
	if have >= need {
		return nil
	}
	return fmt.Errorf("%d files have to be open, and this process may have %d: raise the limit (ulimit -Hn %[1]d as root, or LimitNOFILE= of "+
		"systemd), or give at most --readers %[3]d", need, have, max(have, spareFiles)-spareFiles)
}
