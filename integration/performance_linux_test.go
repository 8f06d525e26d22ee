package integration_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/bench"
	"github.com/pushstream/pushstream/internal/redistest"
)

const (
	// performancePages begins the names of the page and its pictures.
	performancePages = "performance"
	// performanceRuns is how often everything is measured for the page, unless PUSHSTREAM_TEST_RUNS says so; the medians are in it.
	performanceRuns = 3
)

// performance is what deployments were measured to need.
type performance struct {
	trials

	began time.Time
	took  time.Duration
	runs  int
	redis string // its version
	of    map[trial][]measured
}

// measured is what one run of a trial came to, in the time that counts.
type measured struct {
	seconds            float64
	events, deliveries float64
	acknowledged       float64 // a second
	p50, p99           float64 // of deliveries, in milliseconds
	nodes, store       float64 // CPU time of all nodes and of Redis, in microseconds
	accept             float64 // CPU time of all nodes from the first reader to when all were there
	empty, memory      float64 // of all nodes, before the first reader and at the end, in bytes
	proxy, proxyMemory float64 // CPU time of nginx, and what it takes more at the end
}

// What a delivery, an event and a reader cost, for the page docs/reference/performance.md. Without PUSHSTREAM_TEST_REPORT, a
// folder for the page, it is little that is measured, and the page is made and not kept.
func TestPerformance(t *testing.T) {
	t.Parallel()
	p := &performance{trials: shortTrials(), began: time.Now(), runs: 1, of: make(map[trial][]measured)}
	dir := reportDir()
	if dir == "" {
		dir = t.TempDir()
	} else {
		p.trials, p.runs = longTrials(), performanceRuns
		if text := os.Getenv("PUSHSTREAM_TEST_RUNS"); text != "" {
			var err error
			p.runs, err = strconv.Atoi(text)
			require.NoError(t, err)
		}
	}
	for run := range p.runs {
		for _, load := range p.all() {
			if run == 0 || !load.once {
				p.measure(t, load)
			}
		}
	}
	p.took = time.Since(p.began)
	page := p.page()
	require.NotContains(t, page, "NaN")
	require.NotContains(t, page, "Inf")
	require.NoError(t, os.WriteFile(filepath.Join(dir, performancePages+".md"), []byte(page), 0o644))
	for name, picture := range p.pictures() {
		require.NotContains(t, picture, "NaN", name)
		require.NotContains(t, picture, "Inf", name)
		require.Contains(t, page, "]("+name+")")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(picture), 0o644))
	}
	t.Logf("the report is in %s, after %v", dir, p.took.Round(time.Second))
}

// measure does one trial once. Its processes have ended when the next one's begin.
func (p *performance) measure(t *testing.T, load trial) {
	t.Helper()
	settings := strings.Fields(load.settings)
	command, pids, others := load.flags(), []int(nil), []int(nil)
	if load.redis {
		server := redistest.Start(t)
		defer server.Stop()
		settings = append(settings, "--redis", server.URL())
		p.redis = redisInfo(t, server, "redis_version")
		pid, err := strconv.Atoi(redisInfo(t, server, "process_id"))
		require.NoError(t, err)
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // in a container it would have another number here
		require.NoError(t, err)
		require.Regexp(t, "^(redis|valkey)", string(name))
		others = append(others, pid)
	}
	for range load.nodes {
		n := startNode(t, settings...)
		defer n.stop()
		url := n.URL
		if load.tls {
			secure, proxy := startTLS(t, n)
			defer proxy.stop()
			dir := t.TempDir()
			writeCertificate(t, dir) // it is always the same
			command = append(command, "--ca-file", filepath.Join(dir, "cert.pem"))
			url, others = secure, append(others, proxy.cmd.Process.Pid)
		}
		command = append(command, "--url", url)
		pids = append(pids, n.cmd.Process.Pid)
	}
	watch := startMeter(t, append(pids, others...)...)
	report := runBench(t, command...)
	watch.end(t)
	m := evaluate(load, report, watch.used)
	p.of[load] = append(p.of[load], m)
	t.Logf("%+v: %+v", load, m)
	require.Positive(t, m.nodes)
	require.Positive(t, m.accept)
	require.Positive(t, m.deliveries)
	require.Equal(t, load.redis, m.store > 0)
	require.Equal(t, load.tls, m.proxy > 0)
}

// startTLS puts nginx, as deploy/ has it, in front of a node.
func startTLS(t *testing.T, n *node) (url string, proxy *process) {
	t.Helper()
	nginx := balancers[0]
	require.Equal(t, "nginx", nginx.name)
	f := nginx.start(t, strings.ReplaceAll(nginx.read(t), "# tls: ", ""), []*node{n}, "worker_connections 32768", "worker_connections 8000")
	return f.secureURL, f.process
}

// evaluate takes what was used while the load was measured. The readings of the nodes come first. The time ends as planned and
// not, as in the report, with the last answer: an event for many readers is written for a while after that.
func evaluate(load trial, report bench.Report, used [][]usage) measured {
	end := report.Began.Add(load.lasts)
	m := measured{
		seconds: load.lasts.Seconds(), events: float64(report.Acknowledged.Count), deliveries: float64(report.Deliveries.Count),
		acknowledged: report.Acknowledged.PerSecond, p50: report.Deliveries.P50, p99: report.Deliveries.P99,
	}
	for i, readings := range used {
		before, after := usedAt(readings, report.Began), usedAt(readings, end)
		cpu := microseconds(after.cpu - before.cpu)
		switch {
		case i >= load.nodes && load.tls:
			m.proxy += cpu
			m.proxyMemory += float64(after.memory - readings[0].memory)
			continue
		case i >= load.nodes:
			m.store += cpu
			continue
		}
		m.nodes += cpu
		m.accept += microseconds(usedAt(readings, report.Began.Add(-load.warmup)).cpu - readings[0].cpu)
		m.empty += float64(readings[0].memory)
		m.memory += float64(after.memory)
	}
	return m
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// runBench puts load on, from a process of its own, whose CPU time is then nobody else's. Nothing may be lost.
func runBench(t *testing.T, flags ...string) (report bench.Report) {
	t.Helper()
	var said log
	cmd := exec.CommandContext(t.Context(), program(t, "./cmd/pushstreamd"), append([]string{"bench"}, flags...)...)
	cmd.SysProcAttr, cmd.Stderr = dieWithParent(), &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", said.String(), out)
	require.NoError(t, json.Unmarshal(out, &report))
	require.Equal(t, report.Readers, report.Connected)
	require.Zero(t, report.Lost+report.Skipped+report.OutOfOrder+report.Doubtful, "%s", out)
	require.Zero(t, report.Reconnects, "%s", out)
	return report
}

// redisInfo returns a field of what a Redis says of itself.
func redisInfo(t *testing.T, server *redistest.Server, field string) string {
	t.Helper()
	text, ok := server.Do("INFO", "server").(string)
	require.True(t, ok)
	_, after, found := strings.Cut(text, "\n"+field+":")
	require.True(t, found, field)
	return strings.Fields(after)[0]
}

// median is the one in the middle of what all runs of a trial came to.
func (p *performance) median(load trial, of func(measured) float64) float64 {
	var values []float64
	for _, m := range p.of[load] {
		values = append(values, of(m))
	}
	slices.Sort(values)
	if len(values) == 0 {
		return math.NaN()
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// What is told of a run of a trial, in microseconds of CPU time.

func (m measured) perEvent() float64         { return m.nodes / m.events }
func (m measured) perDelivery() float64      { return m.nodes / m.deliveries }
func (m measured) storePerEvent() float64    { return m.store / m.events }
func (m measured) proxyPerDelivery() float64 { return m.proxy / m.deliveries }
func (m measured) latency50() float64        { return m.p50 }
func (m measured) latency99() float64        { return m.p99 }

// busy is how much of one processor all nodes used.
func (m measured) busy() float64 { return m.nodes / 1e6 / m.seconds }
