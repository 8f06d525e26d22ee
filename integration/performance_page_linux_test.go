package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// write writes the page and its pictures into the folder that is named, if one is.
func (p *performance) write(page string) {
	p.t.Helper()
	dir := reportDir()
	if dir == "" {
		return
	}
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, performancePages+".md"), []byte(page), 0o644))
	for _, s := range p.series {
		require.NoError(p.t, os.WriteFile(filepath.Join(dir, s.file()), []byte(s.picture()), 0o644))
	}
}

func (s series) file() string { return performancePages + "-" + s.name + ".svg" }

// page is the report in Markdown.
func (p *performance) page() string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	write("# Performance\n\nWritten by `make performance`; do not edit. What publishing and delivering cost, how that grows, and how many readers a\n" +
		"machine holds.\n\n```sh\nmake performance\n```\n\n")
	write("Run on %s with %s on %s/%s, %d processors, and Redis %s.\n\n", p.began.UTC().Format("2006-01-02"), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), p.redisVersion())
	write("## Method\n\n[`pushstreamd bench`](../operations/bench.md) puts load on real nodes, over the loopback interface. It, the nodes and Redis share the\n"+
		"processors, so latencies are those of a machine that is busy with all three. CPU time is what the kernel says that the processes of\n"+
		"the nodes, or of Redis, used while events were published and measured, system calls included: that part of TCP too that a network\n"+
		"card would do, and the receiver's half of it, which a loopback interface charges to the sender. Each figure is the median of %d\n"+
		"measurement%s; each of these had nodes and a Redis of its own, and lost nothing. Events have 128 bytes of data unless it says\n"+
		"otherwise. Your machine is another one: run it there, and compare.\n\n", p.repeat, plural(p.repeat))
	for _, s := range p.series {
		s.write(write)
	}
	p.capacity().write(write)
	return b.String()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func (p *performance) redisVersion() string {
	last := p.series[len(p.series)-1].steps[0].costs
	return last[0].redisVersion
}

func (s series) write(write func(string, ...any)) {
	write("## %s\n\n![CPU time and latency by number of %s](%s)\n\n", s.title, s.what, s.file())
	write("| %s | events/s | deliveries/s | nodes, µs an event | nodes, µs a delivery | Redis, µs an event | p50, ms | p99, ms |\n", s.what)
	write("|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, step := range s.steps {
		redis := "-"
		if step.load.nodes > 0 {
			redis = figure(step.median(cost.redisPerEvent))
		}
		write("| %s | %s | %s | %s | %s | %s | %s | %s |\n", number(step.value),
			figure(step.median(func(c cost) float64 { return c.acknowledged.PerSecond })), figure(step.median(func(c cost) float64 { return c.deliveries.PerSecond })),
			figure(step.median(cost.perEvent)), figure(step.median(cost.perDelivery)), redis,
			figure(step.median(func(c cost) float64 { return c.deliveries.P50 })), figure(step.median(func(c cost) float64 { return c.deliveries.P99 })))
	}
	write("\n")
}

// figure formats a measured number with three digits that count, or whole.
func figure(v float64) string {
	switch {
	case v >= 100:
		return number(v)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// picture shows what a series costs, and how long it takes.
func (s series) picture() string {
	steps := axis{unit: s.what, log: s.log, marked: true}
	cpu, latency := chart{title: "CPU time", unit: "µs", log: true}, chart{title: "Latency of deliveries", unit: "ms", log: true}
	lines := []struct {
		in   *chart
		name string
		of   func(cost) float64
	}{
		{&cpu, "an event", cost.perEvent},
		{&cpu, "a delivery", cost.perDelivery},
		{&latency, "p50", func(c cost) float64 { return c.deliveries.P50 }},
		{&latency, "p99", func(c cost) float64 { return c.deliveries.P99 }},
	}
	for _, step := range s.steps {
		steps.values = append(steps.values, step.value)
	}
	for _, l := range lines {
		drawn := line{name: l.name}
		for _, step := range s.steps {
			drawn.values = append(drawn.values, step.median(l.of))
		}
		l.in.lines = append(l.in.lines, drawn)
	}
	return drawing("CPU time and latency by number of "+s.what, steps, cpu, latency)
}

// capacity is what the costs come to. Times are in microseconds of CPU time.
type capacity struct {
	reader   float64 // bytes of memory
	accept   float64 // of a reader
	delivery float64 // of one event to one of many readers
	publish  float64 // of one event, by its own request, to one reader
	redis    float64 // the part of Redis in that
	batched  float64 // the part of Redis in an event of the largest batch
}

func (p *performance) capacity() capacity {
	readers, batches := p.series[0].steps, p.series[len(p.series)-1].steps
	most := readers[len(readers)-1]
	return capacity{
		reader: most.median(cost.perReader), accept: most.median(cost.perAccept), delivery: readers[len(readers)/2].median(cost.perDelivery),
		publish: batches[0].median(cost.perEvent), redis: batches[0].median(cost.redisPerEvent),
		batched: batches[len(batches)-1].median(cost.redisPerEvent),
	}
}

// demand is what a deployment has to do.
type demand struct {
	what                    string
	readers, events, copies float64 // events a second, each for so many readers
}

// needs returns how many cores nodes take at half of their time, the memory of readers in bytes, and the share of one core that
// Redis takes.
func (c capacity) needs(d demand) (cores, bytes, redis float64) {
	return 2 * d.events * (c.publish + max(0, d.copies-1)*c.delivery) / 1e6, d.readers * c.reader, d.events * c.redis / 1e6
}

func (c capacity) write(write func(string, ...any)) {
	const half = 0.5e6 // microseconds of a core in a second
	write("## Capacity\n\nComputed from the figures above, for cores like those of this run that are busy for half of the time: the other half is for\n" +
		"the moments when a node is missing and its readers come back.\n\n")
	write("| | |\n|---|---:|\n")
	for _, row := range []struct {
		what  string
		value float64
	}{
		{"bytes of memory of an idle reader", c.reader},
		{"idle readers in a GiB", 1 << 30 / c.reader},
		{"microseconds of CPU for a reader that comes", c.accept},
		{"readers that can come in a second, on one core", half / c.accept},
		{"deliveries in a second of events for many, on one core", half / c.delivery},
		{"events in a second for one reader each, on one core of nodes", half / c.publish},
		{"events in a second by requests of their own, on the core of Redis", half / c.redis},
		{"events in a second in large batches, on the core of Redis", half / c.batched},
	} {
		write("| %s | %s |\n", row.what, number(row.value))
	}
	write("\nWhat follows from that for some deployments. Memory is that of readers; a node itself takes some 30 MiB, and as much again as\n" +
		"it uses while it works. Redis executes on one core: what comes in batches costs it least, and a Cluster shares the work where\n" +
		"there are several tenants, since all of one tenant is in one place.\n\n")
	write("| deployment | cores of nodes | memory of readers | a core of Redis |\n|---|---:|---:|---:|\n")
	for _, d := range []demand{
		{"10,000 readers, an event of their own once a minute", 10_000, 10_000 / 60.0, 1},
		{"100,000 readers, an event of their own once a minute", 100_000, 100_000 / 60.0, 1},
		{"10,000 readers, ten events a second for all of them", 10_000, 10, 10_000},
		{"100,000 readers, one event a second for all of them", 100_000, 1, 100_000},
		{"100,000 readers of 1,000 topics, each with an event every ten seconds", 100_000, 100, 100},
	} {
		cores, bytes, redis := c.needs(d)
		write("| %s | %s | %s MiB | %s %% |\n", d.what, figure(cores), number(bytes/mebibyte), figure(100*redis))
	}
}
