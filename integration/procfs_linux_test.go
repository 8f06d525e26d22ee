package integration_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rss returns the memory that a process has in RAM, in bytes.
func (p *process) rss(t *testing.T) int {
	t.Helper()
	bytes, err := memoryOf(p.cmd.Process.Pid)
	require.NoError(t, err)
	return bytes
}

// memoryOf returns the memory that a process has in RAM, in bytes.
func memoryOf(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(status), "\nVmRSS:")
	if !found {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	return kilobytes << 10, err
}

// cpuOf returns how much CPU time a process has used. /proc/PID/stat has it in hundredths of seconds, which is too coarse for
// short measurements; of each of its threads it is known in nanoseconds. Threads that have ended are left out: neither Go nor
// Redis ends those that work.
func cpuOf(pid int) (used time.Duration, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread.Name()))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended just now
		}
		if err != nil {
			return 0, err
		}
		running, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(running, 10, 64)
		if err != nil {
			return 0, err
		}
		used += time.Duration(nanoseconds)
	}
	return used, nil
}

// descriptors returns how many files a process has open.
func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	require.NoError(t, err)
	return len(entries)
}
