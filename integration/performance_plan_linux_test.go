package integration_test

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// trial is a load on a deployment of its own. Two that are equal are measured once.
type trial struct {
	nodes    int
	redis    bool
	settings string // of the nodes, with spaces in between

	readers, targets int
	rate             float64 // events a second; 0 is as fast as they are acknowledged
	size, batch      int
	warmup, lasts    time.Duration
	once             bool // it takes too long to be repeated
	http2            bool // readers speak it
	tls              bool // to nginx, which is in front of the node then
}

// flags are those of the command that puts the load on.
func (t trial) flags() []string {
	return strings.Fields("--format json --settle 20s --readers " + strconv.Itoa(t.readers) + " --targets " + strconv.Itoa(t.targets) +
		" --rate " + strconv.FormatFloat(t.rate, 'f', -1, 64) + " --size " + strconv.Itoa(t.size) + " --batch " + strconv.Itoa(t.batch) +
		" --warmup " + t.warmup.String() + " --duration " + t.lasts.String() + map[bool]string{true: " --http2"}[t.http2])
}

// trials are all that is measured, each list along one quantity, which grows.
type trials struct {
	readers   []trial // of one target
	targets   []trial // that the same readers are spread over; the last has one reader for each
	sizes     []trial
	nodes     []trial // on one Redis
	batches   []trial // with Redis, at a pace
	saturated []trial // the same, as fast as they are acknowledged; the first is one at a time
	embedded  trial   // one at a time, too, without Redis
	ways      []trial // that readers can come
	idle      trial
}

// all are all trials, each once.
func (p trials) all() (all []trial) {
	for _, t := range slices.Concat(p.readers, p.targets, p.sizes, p.nodes, p.batches, p.saturated, p.ways, []trial{p.embedded, p.idle}) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

const (
	// performanceLimits are for as many readers as one process can have in 20,000 open files.
	performanceLimits = "--limits-connections 19000 --limits-other-connections 500"
	// performanceRetention is more than any trial publishes: who is behind for a moment is to be told of no gap.
	performanceRetention = "--retention-length 1000000"
	// performanceDeliveries a second are what most trials aim at: some tenth of what a processor can do.
	performanceDeliveries = 20_000
	// performancePing is how often idle readers are pinged, so that it need not be waited for long.
	performancePing = 5 * time.Second
)

// longTrials are those of the page.
func longTrials() (p trials) {
	const warmup, lasts = 500 * time.Millisecond, 3 * time.Second
	usual := trial{nodes: 1, settings: performanceLimits, targets: 1, size: 100, batch: 1, warmup: warmup, lasts: lasts}
	for _, readers := range []int{100, 1000, 5000, 18_000} {
		t := usual
		t.readers, t.rate = readers, max(performanceDeliveries/float64(readers), 1)
		p.readers = append(p.readers, t)
	}
	for _, targets := range []int{1, 10, 100, 1000, 5000} {
		t := usual
		// More events than these would need a processor for their publishers.
		t.readers, t.targets, t.rate = 5000, targets, min(performanceDeliveries*float64(targets)/5000, 500)
		p.targets = append(p.targets, t)
	}
	for _, size := range []int{100, 1000, 4000, 16_000} {
		t := usual
		t.readers, t.targets, t.size, t.rate = 1000, 10, size, 50
		p.sizes = append(p.sizes, t)
	}
	for _, nodes := range []int{1, 2, 3} {
		t := usual
		t.redis, t.nodes, t.readers, t.targets, t.rate = true, nodes, 3000, 100, 300
		p.nodes = append(p.nodes, t)
	}
	for _, b := range []struct {
		batch int
		rate  float64
	}{{1, 500}, {10, 2000}, {100, 5000}} {
		t := usual
		t.redis, t.settings, t.readers, t.targets, t.batch, t.rate = true, performanceRetention, 10, 10, b.batch, b.rate
		p.batches = append(p.batches, t)
		t.rate, t.lasts = 0, 2*time.Second
		p.saturated = append(p.saturated, t)
	}
	p.embedded = p.saturated[0]
	p.embedded.redis = false
	way := usual
	way.readers, way.targets, way.rate = 2000, 10, 50
	p.ways = ways(way)
	p.idle = usual
	// A node that many readers have come to gives back what that took within 15 seconds.
	p.idle.readers, p.idle.targets, p.idle.rate, p.idle.warmup, p.idle.lasts, p.idle.once = 18_000, 18_000, 1, 16*time.Second, 2*performancePing, true
	p.idle.settings += " --stream-heartbeat " + performancePing.String()
	return p
}

// shortTrials are a little of each kind.
func shortTrials() (p trials) {
	usual := trial{nodes: 1, readers: 100, targets: 1, rate: 50, size: 100, batch: 1, warmup: 50 * time.Millisecond, lasts: 300 * time.Millisecond}
	each, large := usual, usual
	each.targets, large.size = 100, 1000
	p.readers, p.targets, p.sizes = []trial{usual}, []trial{usual, each}, []trial{large}
	one := usual
	one.redis, one.settings, one.readers, one.targets, one.rate = true, performanceRetention, 10, 10, 100
	two, slow := one, one
	two.nodes, slow.rate = 2, 0
	fast := slow
	fast.batch = 10
	p.nodes, p.batches, p.saturated = []trial{one, two}, []trial{one}, []trial{slow, fast}
	p.embedded = slow
	p.embedded.redis = false
	p.ways = ways(usual)
	p.idle = usual
	p.idle.targets, p.idle.settings, p.idle.lasts, p.idle.once = 100, "--stream-heartbeat 1s", time.Second, true
	return p
}

// ways are the same load, however readers can come.
func ways(of trial) (all []trial) {
	of.settings += " --insecure-dev" // or the node would take nothing from a proxy
	for _, tls := range []bool{false, true} {
		for _, http2 := range []bool{false, true} {
			of.tls, of.http2 = tls, http2
			all = append(all, of)
		}
	}
	return all
}

// pings is how many pings each idle reader gets while it is measured.
func (t trial) pings() float64 {
	_, heartbeat, _ := strings.Cut(t.settings, "--stream-heartbeat ")
	every, err := time.ParseDuration(heartbeat)
	if err != nil {
		return 0
	}
	return float64(t.lasts / every)
}
