package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

const (
	// soakPages names the page and its picture.
	soakPages = "soak"
	// soakUnits is how often everything that expires does so.
	soakUnits = 100
	// soakLeast is the shortest unit: a stream lasts at least a second, by its setting, and a reader that comes back has to be
	// back before its logs have expired, on a busy machine too.
	soakLeast = 3 * time.Second
	// soakGrowth is by how many percent a node's memory may grow.
	soakGrowth = 3
	// soakLong is from when on that is judged. A node that has run for seconds is still finding out how much memory it needs:
	// its heap grows with what it has been asked for, and its runtime gives memory back within minutes only.
	soakLong = 10 * time.Minute
)

// soak is a deployment under traffic in which everything that expires does so again and again: logs, streams, tokens,
// tickets, and joins that linger. Publishers' keys have to be kept for ten minutes at least.
type soak struct {
	t           *testing.T
	total, unit time.Duration
	began       time.Time
	round       int // of traffic: what was published in another one was another event
	redis       *redistest.Server
	client      *goredis.Client // one connection, for as long as the test
	nodes       []*node
	http        *http.Client

	counts  soakCounts
	samples []soakSample
	cpu     []float64 // what the traffic took of each node's, in seconds

	mu     sync.Mutex
	faults []string
}

// soakCounts is what the traffic did.
type soakCounts struct {
	connects, acknowledged, refused  atomic.Int64 // refused publishes were published again
	resumed, resets, tickets         atomic.Int64
	endedByAge, endedByExpiry        atomic.Int64
	gaps                             atomic.Int64 // told to readers who were away for longer than logs are kept
	owed, delivered, doubled, missed atomic.Int64 // to steady readers
	told                             atomic.Int64 // of what is owed: it was in a gap
}

// Two nodes under traffic in which everything expires a hundred times. Nobody misses an event, memory stays as it is, and when
// all have gone everything is as it was.
func TestSoak(t *testing.T) {
	t.Parallel()
	total := time.Duration(seconds(t, 12)) * time.Second
	s := startSoak(t, total)
	s.traffic(min(s.unit, time.Minute)) // what nodes make once and keep
	before := s.rest()
	s.counts, s.samples = soakCounts{}, nil
	cpu := s.cpuSeconds()
	s.traffic(s.total)
	for i, used := range s.cpuSeconds() {
		s.cpu = append(s.cpu, used-cpu[i])
	}
	after := s.rest()

	s.judgeMemory()
	s.judgeRest(before, after)
	s.judgeCounts()
	s.report(before, after)
	for _, fault := range s.faults {
		t.Error(fault)
	}
	t.Logf("verdict: %s", s.verdict())
}

// startSoak starts a Redis and two nodes.
func startSoak(t *testing.T, total time.Duration) *soak {
	t.Helper()
	s := &soak{t: t, total: total, unit: max(total/soakUnits, soakLeast), began: time.Now(), redis: redistest.Start(t)}
	s.client = s.redis.Client()
	s.http = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	t.Cleanup(s.http.CloseIdleConnections)
	file, binary := guarded(t), soakProgram(t, s.unit/2)
	for _, name := range []string{"one", "two"} {
		listen, admin := redistest.FreeAddress(t), redistest.FreeAddress(t)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, append([]string{
			"--node", name, "--listen", listen, "--admin", admin, "--config", file, "--redis", s.redis.URL(),
			"--drain-delay", "0s", "--drain-window", "0s",
		}, s.settings()...)...)
		n := &node{process: startProcess(t, cmd, nil), URL: "http://" + listen, AdminURL: "http://" + admin}
		waitFor(t, n.URL+"/readyz")
		s.nodes = append(s.nodes, n)
	}
	return s
}

// settings are the times that are made shorter.
func (s *soak) settings() []string {
	return []string{
		"--retention-age", s.unit.String(), "--stream-max-age", (s.unit / 2).String(),
		"--stream-heartbeat", max(s.unit/4, time.Second).String(), "--auth-clock-skew", "0s",
	}
}

// soakProgram returns a node whose joins linger for so long. There is no setting for that. With a unit of a minute it is the
// node as it is.
func soakProgram(t *testing.T, linger time.Duration) string {
	t.Helper()
	const config, usual = "pkg/backplane/redis/config.go", "Linger:          30 * time.Second,"
	if linger == 30*time.Second {
		return program(t, "./cmd/pushstreamd")
	}
	dir := t.TempDir()
	source, err := filepath.Abs(filepath.Join("..", config))
	require.NoError(t, err)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Contains(t, string(text), usual)
	changed, overlay := filepath.Join(dir, "config.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), usual, fmt.Sprintf("Linger: %d,", linger.Nanoseconds()), 1)), 0o600))
	require.NoError(t, os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, source, changed), 0o600))
	binary := filepath.Join(dir, "pushstreamd")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "./cmd/pushstreamd")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// fault notes what must not be. The first ones say enough.
func (s *soak) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 50
	text := fmt.Sprintf(format, args...)
	if len(s.faults) < most {
		s.t.Logf("fault after %v: %s", time.Since(s.began).Round(time.Second), text)
		s.faults = append(s.faults, text)
	}
}

// verdict is the outcome in a few words.
func (s *soak) verdict() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return "passed"
	}
	return "failed: " + strings.Join(s.faults, "; ")
}

// judgeMemory compares the last tenth of the traffic with its first, the two first units left out.
func (s *soak) judgeMemory() {
	for i := range s.nodes {
		first, last := s.tenths(i)
		s.t.Logf("memory of node %d: %d bytes in the first tenth, %d in the last", i+1, first, last)
		if s.total >= soakLong && last*100 > first*(100+soakGrowth) {
			s.fault("node %d grew by more than %d %%, from %d to %d bytes", i+1, soakGrowth, first, last)
		}
	}
}

// tenths returns the median memory of a node in the first and the last tenth.
func (s *soak) tenths(node int) (first, last int) {
	warm := slices.IndexFunc(s.samples, func(m soakSample) bool { return m.after > min(2*s.unit, s.total/5) })
	rest := s.samples[max(warm, 0):]
	median := func(part []soakSample) int {
		values := make([]int, len(part))
		for i, m := range part {
			values[i] = m.nodes[node].memory
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	tenth := max(len(rest)/10, 1)
	return median(rest[:tenth]), median(rest[len(rest)-tenth:])
}

// judgeRest compares what there was before the traffic with what is left of it.
func (s *soak) judgeRest(before, after soakRest) {
	for i, b := range before.nodes {
		if a := after.nodes[i]; a.goroutines > b.goroutines {
			s.fault("node %d has %d goroutines and had %d", i+1, a.goroutines, b.goroutines)
		}
	}
	if after.files > before.files {
		s.fault("nodes have %d files besides connections to Redis and had %d", after.files, before.files)
	}
	for _, c := range []struct {
		what          string
		before, after any
	}{
		{"keys", before.keys, after.keys},
		{"fields of hashes that only nodes add to", before.fields, after.fields},
		{"channels and their subscribers", before.channels, after.channels},
		{"subscribed connections", before.subscribed, after.subscribed},
	} {
		if b, a := fmt.Sprint(c.before), fmt.Sprint(c.after); a != b {
			s.fault("%s: there were %s and are %s", c.what, b, a)
		}
	}
	if most := soakPool * len(s.nodes); after.pooled > most {
		s.fault("%d connections to Redis for commands are more than the %d of the pools", after.pooled, most)
	}
}

// judgeCounts checks that nobody missed anything, and that all happened that was to happen.
func (s *soak) judgeCounts() {
	c := &s.counts
	if missed := c.missed.Load(); missed != 0 || c.delivered.Load()+c.told.Load() != c.owed.Load() {
		s.fault("steady readers missed %d events: they have %d of %d, and were told that %d have expired", missed, c.delivered.Load(), c.owed.Load(), c.told.Load())
	}
	if s.total >= soakLong && c.gaps.Load() > 0 {
		s.fault("%d gaps were told", c.gaps.Load())
	}
	least := int64(s.total.Seconds() * 100)
	for what, count := range map[string]*atomic.Int64{"connects": &c.connects, "acknowledged publishes": &c.acknowledged} {
		if count.Load() < least {
			s.fault("%d %s are fewer than %d", count.Load(), what, least)
		}
	}
	for what, count := range map[string]*atomic.Int64{
		"resumes": &c.resumed, "resets": &c.resets, "tickets": &c.tickets, "ends by age": &c.endedByAge, "ends by expiry": &c.endedByExpiry,
	} {
		if count.Load() == 0 {
			s.fault("there were no %s", what)
		}
	}
}

// cpuSeconds returns how much CPU each node has used.
func (s *soak) cpuSeconds() (used []float64) {
	for _, n := range s.nodes {
		used = append(used, n.metric("process_cpu_seconds_total"))
	}
	return used
}
