package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// performancePages is what the pages of the run are called.
const performancePages = "performance"

// series is a number of loads that differ in one thing.
type series struct {
	name  string // of its picture
	title string
	what  string // is different
	log   bool   // the steps multiply
	steps []point
}

// point is one load, measured several times.
type point struct {
	value float64 // of what is different
	load  workload
	costs []cost
}

// median returns the median of something over all measurements.
func (s point) median(of func(cost) float64) float64 {
	all := make([]float64, len(s.costs))
	for i, c := range s.costs {
		all[i] = of(c)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// performance is a run of all series.
type performance struct {
	t      *testing.T
	began  time.Time
	repeat int
	series []series
}

// TestPerformance measures what a deployment costs. Without PUSHSTREAM_TEST_REPORT it is short, writes nothing, and only shows that
// all is there.
func TestPerformance(t *testing.T) {
	p := &performance{t: t, began: time.Now(), repeat: 1, series: shortSeries()}
	if reportDir() != "" {
		p.repeat, p.series = 3, longSeries()
	}
	for round := range p.repeat {
		for i := range p.series {
			for j := range p.series[i].steps {
				p.measure(round, &p.series[i], &p.series[i].steps[j])
			}
		}
	}
	page := p.page()
	for _, s := range p.series {
		for _, step := range s.steps {
			require.Positive(t, step.median(cost.perDelivery), "%s: %v", s.title, step.value)
			require.Positive(t, step.median(func(c cost) float64 { return c.deliveries.P50 }))
		}
		require.Contains(t, page, "## "+s.title+"\n")
		require.Contains(t, s.picture(), "</svg>")
	}
	p.write(page)
}

func (p *performance) measure(round int, of *series, s *point) {
	p.t.Run(fmt.Sprintf("%s/%v/%d", of.name, s.value, round+1), func(t *testing.T) {
		s.costs = append(s.costs, s.load.measure(t))
	})
	require.Len(p.t, s.costs, round+1, "it could not be measured")
}

func shortSeries() []series {
	brief := workload{readers: 40, targets: 1, size: 128, batch: 1, duration: 500 * time.Millisecond, warmup: 100 * time.Millisecond}
	return seriesOf(brief, 50, 40, []int{10, 40}, []int{1, 20}, []int{100, 1000}, []int{1, 2}, []int{1, 10})
}

func longSeries() []series {
	usual := workload{readers: 1000, targets: 1, size: 128, batch: 1, duration: 5 * time.Second, warmup: time.Second}
	all := seriesOf(usual, 500, 5000, []int{100, 1000, 5000, 18_000}, []int{1, 10, 100, 1000, 5000}, []int{100, 1000, 4000, 16_000}, []int{1, 2, 3}, []int{1, 10, 100})
	most := &all[0].steps[3].load
	most.warmup = 12 * time.Second // nodes return memory once readers have come
	return all
}

// seriesOf returns all series, of steps as they are named, with at most so many events a second and a crowd of readers where there
// are many. The rates are such that nothing is at its limit, except where that is what is measured.
func seriesOf(usual workload, most float64, crowd int, readers, targets, sizes, nodes, batches []int) []series {
	perReader := series{name: "readers", title: "Readers", what: "readers of one topic", log: true}
	for _, n := range readers {
		l := usual
		l.readers, l.rate = n, min(most, max(2, 10_000/float64(n)))
		perReader.steps = append(perReader.steps, point{value: float64(n), load: l})
	}
	perTarget := series{name: "targets", title: "Targets", what: "topics that " + number(float64(crowd)) + " readers are spread over", log: true}
	for _, n := range targets {
		l := usual
		l.readers, l.targets, l.rate = crowd, n, min(most, max(4, 2*float64(n)))
		perTarget.steps = append(perTarget.steps, point{value: float64(n), load: l})
	}
	perSize := series{name: "size", title: "Size", what: "bytes of an event's data", log: true}
	for _, n := range sizes {
		l := usual
		l.size, l.rate = n, 10
		perSize.steps = append(perSize.steps, point{value: float64(n), load: l})
	}
	perNode := series{name: "nodes", title: "Nodes", what: "nodes on one Redis, for " + number(float64(crowd)) + " readers of 100 topics"}
	for _, n := range nodes {
		l := usual
		l.nodes, l.readers, l.targets, l.rate = n, crowd, min(100, crowd), min(most, 200)
		perNode.steps = append(perNode.steps, point{value: float64(n), load: l})
	}
	perBatch := series{name: "batches", title: "Batches", what: "events of a request, sent to one node on Redis as fast as they are acknowledged", log: true}
	for _, n := range batches {
		l := usual
		l.nodes, l.readers, l.targets, l.batch, l.rate = 1, 64, 64, n, 0
		perBatch.steps = append(perBatch.steps, point{value: float64(n), load: l})
	}
	return []series{perReader, perTarget, perSize, perNode, perBatch}
}
