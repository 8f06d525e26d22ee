package integration_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/bench"
	"github.com/pushstream/pushstream/internal/redistest"
)

// workload is a deployment, and what it has to do.
type workload struct {
	nodes                         int // on one Redis; 0 is one node with the embedded backplane
	readers, targets, size, batch int
	rate                          float64 // events a second; 0 is as many as are acknowledged
	warmup, duration              time.Duration
}

// cost is what a load took.
type cost struct {
	redisVersion             string        // empty for the embedded backplane
	nodes, redis             time.Duration // CPU time, while events were published
	accept                   time.Duration // CPU time of the nodes until all readers were there
	memory                   int           // bytes that came with the readers
	readers                  int
	acknowledged, deliveries bench.Series
}

func microseconds(d time.Duration, of float64) float64 { return float64(d) / 1000 / of }

// perDelivery is the CPU time of all nodes for an event that came to a reader, in microseconds: publishing is part of it.
func (c cost) perDelivery() float64 { return microseconds(c.nodes, float64(c.deliveries.Count)) }

// perEvent is the CPU time of all nodes for an event that was published, in microseconds: its deliveries are part of it.
func (c cost) perEvent() float64 { return microseconds(c.nodes, float64(c.acknowledged.Count)) }

// redisPerEvent is the CPU time of Redis for an event that was published, in microseconds.
func (c cost) redisPerEvent() float64 { return microseconds(c.redis, float64(c.acknowledged.Count)) }

// perReader is the memory of a reader, in bytes.
func (c cost) perReader() float64 { return float64(c.memory) / float64(c.readers) }

// perAccept is the CPU time of the nodes for a reader that comes, in microseconds.
func (c cost) perAccept() float64 { return microseconds(c.accept, float64(c.readers)) }

// sampling is how often the nodes are looked at.
const sampling = 20 * time.Millisecond

// sample is what the processes have used up to a moment.
type sample struct {
	at           time.Time
	nodes, redis time.Duration
	memory       int // bytes, of the nodes
}

// samples looks at processes until end.
type samples struct {
	t     *testing.T
	nodes []int // process ids
	redis int   // 0 for none
	all   []sample
	stop  chan struct{}
	work  sync.WaitGroup
}

func startSamples(t *testing.T, redis int, nodes []int) *samples {
	t.Helper()
	s := &samples{t: t, nodes: nodes, redis: redis, stop: make(chan struct{})}
	s.look()
	s.work.Go(func() { // joined by end
		ticker := time.NewTicker(sampling)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.look()
			case <-s.stop:
				return
			}
		}
	})
	return s
}

func (s *samples) look() {
	now := sample{at: time.Now()}
	for _, pid := range s.nodes {
		used, err := cpuOf(pid)
		bytes, errMemory := memoryOf(pid)
		if err != nil || errMemory != nil {
			return // a thread has ended in between
		}
		now.nodes += used
		now.memory += bytes
	}
	if s.redis != 0 {
		used, err := cpuOf(s.redis)
		if err != nil {
			return
		}
		now.redis = used
	}
	s.all = append(s.all, now)
}

func (s *samples) end() {
	close(s.stop)
	s.work.Wait()
	s.look()
}

// at returns the sample that is next to a moment.
func (s *samples) at(moment time.Time) sample {
	best := s.all[0]
	for _, one := range s.all {
		if one.at.Sub(moment).Abs() < best.at.Sub(moment).Abs() {
			best = one
		}
	}
	return best
}

// measure runs the deployment, has pushstreamd bench put the load on it, and stops it.
func (l workload) measure(t *testing.T) cost {
	t.Helper()
	c := cost{readers: l.readers}
	settings := []string{"--limits-connections", "19000", "--log-level", "warn"}
	redis := 0
	if l.nodes > 0 {
		server := redistest.Start(t)
		info := server.Client().InfoMap(t.Context(), "server")
		c.redisVersion = info.Item("Server", "redis_version")
		var err error
		redis, err = strconv.Atoi(info.Item("Server", "process_id"))
		require.NoError(t, err)
		settings = append(settings, "--redis", server.URL())
	}
	args := []string{
		"bench", "--format", "json", "--readers", strconv.Itoa(l.readers), "--targets", strconv.Itoa(l.targets), "--size", strconv.Itoa(l.size),
		"--batch", strconv.Itoa(l.batch), "--rate", strconv.FormatFloat(l.rate, 'f', -1, 64), "--publishers", "32",
		"--warmup", l.warmup.String(), "--duration", l.duration.String(),
	}
	var pids []int
	for range max(1, l.nodes) {
		n := startNode(t, settings...)
		pids = append(pids, n.cmd.Process.Pid)
		args = append(args, "--url", n.URL)
	}
	samples := startSamples(t, redis, pids)
	cmd := exec.CommandContext(t.Context(), program(t, "./cmd/pushstreamd"), args...)
	var told bytes.Buffer
	cmd.Stderr = &told
	text, err := cmd.Output()
	samples.end()
	require.NoError(t, err, told.String())
	var r bench.Report
	require.NoError(t, json.Unmarshal(text, &r))
	require.NoError(t, r.Err())
	require.Zero(t, r.Doubtful, "events were not acknowledged")

	before, connected := samples.all[0], samples.at(r.Began.Add(-l.warmup))
	first, last := samples.at(r.Began), samples.at(r.Began.Add(time.Duration(r.Seconds*float64(time.Second))))
	c.nodes, c.redis = last.nodes-first.nodes, last.redis-first.redis
	c.accept, c.memory = connected.nodes-before.nodes, last.memory-before.memory
	c.acknowledged, c.deliveries = r.Acknowledged, r.Deliveries
	return c
}
