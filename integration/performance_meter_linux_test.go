package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usage is what a process has used up to a moment.
type usage struct {
	at     time.Time
	cpu    time.Duration
	memory int // bytes, at the moment
}

// meter reads what processes use, all the time: which part of it counts is known only when the load is over.
type meter struct {
	pids []int
	used [][]usage // of each process
	err  error
	stop chan struct{}
	over chan struct{} // closed when it has stopped
}

// startMeter begins with a first reading. It ends with end.
func startMeter(t *testing.T, pids ...int) *meter {
	t.Helper()
	m := &meter{pids: pids, used: make([][]usage, len(pids)), stop: make(chan struct{}), over: make(chan struct{})}
	m.read()
	require.NoError(t, m.err)
	go m.run() // joined by end
	return m
}

func (m *meter) run() {
	defer close(m.over)
	const every = 20 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for m.err == nil {
		select {
		case <-tick.C:
			m.read()
		case <-m.stop:
			m.read()
			return
		}
	}
}

func (m *meter) read() {
	for i, pid := range m.pids {
		now := usage{at: time.Now()}
		if now.cpu, m.err = cpuOf(pid); m.err == nil {
			now.memory, m.err = memoryOf(pid)
		}
		if m.err != nil {
			return
		}
		m.used[i] = append(m.used[i], now)
	}
}

// end takes a last reading.
func (m *meter) end(t *testing.T) {
	t.Helper()
	close(m.stop)
	<-m.over
	require.NoError(t, m.err)
}

// usedAt returns what a process had used at a moment: the memory of the reading before, and the CPU time as if it was used
// evenly between two readings.
func usedAt(readings []usage, at time.Time) usage {
	i, _ := slices.BinarySearchFunc(readings, at, func(u usage, at time.Time) int { return u.at.Compare(at) })
	switch {
	case i == 0:
		return readings[0]
	case i == len(readings):
		return readings[i-1]
	}
	before, after := readings[i-1], readings[i]
	share := at.Sub(before.at).Seconds() / after.at.Sub(before.at).Seconds()
	return usage{at: at, cpu: before.cpu + time.Duration(share*float64(after.cpu-before.cpu)), memory: before.memory}
}
