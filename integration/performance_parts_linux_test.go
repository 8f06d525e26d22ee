package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/bench"
)

func TestPerformanceUsageBetweenReadings(t *testing.T) {
	t.Parallel()
	at := func(n int) time.Time { return time.Unix(100, 0).Add(time.Duration(n) * time.Millisecond) }
	readings := []usage{{at(0), 10, 1}, {at(20), 30, 2}, {at(40), 130, 3}}
	require.Equal(t, usage{at(0), 10, 1}, usedAt(readings, at(-5)))
	require.Equal(t, usage{at(0), 10, 1}, usedAt(readings, at(0)))
	require.Equal(t, usage{at(15), 25, 1}, usedAt(readings, at(15)))
	require.Equal(t, usage{at(30), 80, 2}, usedAt(readings, at(30)))
	require.Equal(t, usage{at(40), 130, 3}, usedAt(readings, at(41)))
}

func TestPerformanceIsOfTheTimeThatCounts(t *testing.T) {
	t.Parallel()
	began := time.Unix(100, 0)
	// A processor's half for the first node, a quarter for the second, a tenth for Redis.
	used := make([][]usage, 3)
	for i, share := range []int{2, 4, 10} {
		for second := range 6 {
			busy := time.Duration(second) * time.Second / time.Duration(share)
			used[i] = append(used[i], usage{began.Add(time.Duration(second-2) * time.Second), busy, 1000*(i+1) + second})
		}
	}
	report := bench.Report{Began: began, Seconds: 1.5, Acknowledged: bench.Series{Count: 10, PerSecond: 5}, Deliveries: bench.Series{Count: 1000, P50: 3, P99: 9}}
	m := evaluate(trial{nodes: 2, redis: true, warmup: time.Second, lasts: 2 * time.Second}, report, used)
	require.Equal(t, measured{
		seconds: 2, events: 10, deliveries: 1000, acknowledged: 5, p50: 3, p99: 9,
		nodes: 1_500_000, store: 200_000, accept: 750_000, empty: 3000, memory: 3006, // the reading before the end
	}, m)
	require.InDelta(t, 150_000, m.perEvent(), 1e-6)
	require.InDelta(t, 1500, m.perDelivery(), 1e-6)
	require.InDelta(t, 20_000, m.storePerEvent(), 1e-6)
	require.InDelta(t, 0.75, m.busy(), 1e-9)
	m = evaluate(trial{nodes: 2, tls: true, warmup: time.Second, lasts: 2 * time.Second}, report, used)
	require.Equal(t, []float64{1_500_000, 0, 200_000, 3}, []float64{m.nodes, m.store, m.proxy, m.proxyMemory})
}

func TestPerformanceMedian(t *testing.T) {
	t.Parallel()
	odd, even := trial{nodes: 1}, trial{nodes: 2}
	p := &performance{of: map[trial][]measured{odd: {{p50: 9}, {p50: 1}, {p50: 4}}, even: {{p50: 3}, {p50: 1}}}}
	require.InDelta(t, 4, p.median(odd, measured.latency50), 0)
	require.InDelta(t, 2, p.median(even, measured.latency50), 0)
}

// example are costs that are easily reckoned with.
var example = costs{
	event: 200, delivery: 5, accept: 100, ping: 10, reader: 4096, empty: 20 << 20,
	shared: 250, sharedFew: 50, store: 50, storeFew: 5,
}

func TestPerformanceNeeds(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2500, perSecond(example.event), 1e-9, "half of a million microseconds")
	for _, c := range []struct {
		name string
		of   audience
		want needs
	}{
		{"each often: no pings", audience{readers: 1000, every: 10}, needs{events: 100, deliveries: 100, nodes: 0.05, store: 0.01, memory: 4_096_000}},
		{"each seldom: 20 ms a second of pings", audience{readers: 30_000, every: 60}, needs{events: 500, deliveries: 500, nodes: 0.29, store: 0.05, memory: 122_880_000}},
		{"all", audience{readers: 100_000, every: 10, all: true}, needs{events: 0.1, deliveries: 10_000, nodes: 0.1, store: 0.00001, memory: 409_600_000}},
		{"all seldom", audience{readers: 30_000, every: 30, all: true}, needs{events: 1.0 / 30, deliveries: 1000, nodes: 0.05, store: 1.0 / 300_000, memory: 122_880_000}},
	} {
		got := example.needs(c.of)
		for i, pair := range [][2]float64{
			{c.want.events, got.events},
			{c.want.deliveries, got.deliveries},
			{c.want.nodes, got.nodes},
			{c.want.store, got.store},
			{c.want.memory, got.memory},
		} {
			require.InEpsilon(t, pair[0], pair[1], 1e-9, "%s, figure %d", c.name, i)
		}
	}
}

func TestPerformanceTrials(t *testing.T) {
	t.Parallel()
	for _, p := range []trials{longTrials(), shortTrials()} {
		require.Contains(t, p.readers, p.targets[0], "what both have is measured once")
		last := p.targets[len(p.targets)-1]
		require.Equal(t, last.readers, last.targets)
		require.Equal(t, p.targets[0].readers, last.readers)
		require.Equal(t, 1, p.saturated[0].batch)
		require.Zero(t, p.saturated[0].rate+p.embedded.rate)
		require.Zero(t, p.embedded.readers-p.embedded.targets, "an event is for one reader")
		require.Equal(t, p.idle.readers, p.idle.targets)
		require.Positive(t, p.idle.pings())
		require.Len(t, p.ways, 4)
		require.Zero(t, last.pings())
	}
	require.Equal(t, "--format json --settle 20s --readers 18000 --targets 1 --rate 1.1111111111111112 --size 100 --batch 1 --warmup 500ms --duration 3s",
		strings.Join(longTrials().readers[3].flags(), " "))
}

func TestPerformanceTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeRows(func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }, []string{"readers", "CPU", "p50"}, [][]string{{"100", "1.2", "3"}, {"1,000", "4", "5"}})
	require.Equal(t, "| readers | CPU | p50 |\n|---|---:|---:|\n| 100 | 1.2 | 3 |\n| 1,000 | 4 | 5 |\n\n", b.String())
	for v, want := range map[float64]string{1_234_567: "1,234,567", 99.96: "100.0", 12.34: "12.3", 1.234: "1.23", 0.5: "0.50", 0.0123: "0.012", 0.0001: "under 0.001"} {
		require.Equal(t, want, threeDigits(v))
	}
}

func TestPictureScales(t *testing.T) {
	t.Parallel()
	require.Equal(t, scale{most: 60, ticks: []float64{0, 20, 40, 60}}, fromZero(55, 5, true))
	require.Equal(t, scale{most: 55, ticks: []float64{0, 20, 40}}, fromZero(55, 5, false))
	tens := byTens([]float64{3, 450})
	require.Equal(t, scale{least: 1, most: 1000, log: true, ticks: []float64{1, 10, 100, 1000}}, tens)
	require.InDelta(t, 0, tens.share(1), 1e-9)
	require.InDelta(t, 1.0/3, tens.share(10), 1e-9)
	require.Equal(t, scale{least: 10, most: 100, log: true, ticks: []float64{10, 100}}, byTens([]float64{10}))
	few := axis{values: []float64{1, 2, 5}, marked: true}.scale()
	require.Equal(t, scale{least: 1, most: 5, ticks: []float64{1, 2, 5}}, few)
	require.InDelta(t, 0.25, few.share(2), 1e-9)
	require.Zero(t, axis{values: []float64{7}, marked: true}.scale().share(7), "a single value")
}

func TestPictureIsDrawnToScale(t *testing.T) {
	t.Parallel()
	x := axis{unit: "readers", values: []float64{100, 1000, 10_000}, log: true, marked: true}
	svg := drawing("Readers", x, chart{title: "CPU", unit: "µs", lines: []line{{"node", []float64{0, 5, 10}}}})
	require.Contains(t, svg, "<title>Readers</title>")
	require.Contains(t, svg, `<text class="title" x="0.0" y="-20.0" text-anchor="start">CPU, µs</text>`)
	require.Contains(t, svg, `<path class="a" d="M0.0 190.0 385.0 95.0 770.0 0.0 "/>`)
	require.Contains(t, svg, `<circle class="a" cx="385.0" cy="95.0" r="3"/>`)
	require.Contains(t, svg, `<text class="label" x="385.0" y="210.0" text-anchor="middle">1000</text>`)
}
