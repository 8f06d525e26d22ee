package integration_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// performanceFigure is one of the measurements along a quantity: a table, and a picture of it.
type performanceFigure struct {
	title, text string
	picture     string // the name of its file
	unit        string // of the quantity
	log         bool   // the quantity grows by factors
	along       []trial
	quantity    func(trial) int
	columns     []performanceColumn
}

// performanceColumn is what is told of each trial. Those with a chart are in the picture, all with one title in one chart.
type performanceColumn struct {
	name        string
	of          func(measured) float64
	chart, line string
	unit        string
	log         bool
}

// page is the report in Markdown.
func (p *performance) page() string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	write("# Performance\n\nWritten by `make performance`; do not edit. It says what an event, a delivery and a reader cost on one machine, how that grows, and\n" +
		"what to plan with.\n\n")
	p.writeMethod(write)
	for _, f := range p.figures() {
		write("## %s\n\n%s\n\n![%s](%s)\n\n", f.title, f.text, f.title, f.picture)
		header, rows := []string{f.unit}, make([][]string, len(f.along))
		for _, c := range f.columns {
			header = append(header, c.name)
		}
		for i, load := range f.along {
			rows[i] = append(rows[i], number(float64(f.quantity(load))))
			for _, c := range f.columns {
				rows[i] = append(rows[i], threeDigits(p.median(load, c.of)))
			}
		}
		writeRows(write, header, rows)
	}
	p.writeWays(write)
	p.writeReaders(write)
	p.writeCapacity(write)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (p *performance) writeMethod(write func(string, ...any)) {
	write("Run on %s with %s on %s/%s, %d processors, and Redis %s. It took %s seconds.\n\n",
		p.began.UTC().Format("2006-01-02"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), p.redis, number(p.took.Seconds()))
	write("## How it is measured\n\n"+
		"Each row is a load on processes that were started for it: nodes, a Redis where there is one, and [`pushstreamd bench`](../operations/bench.md)\n"+
		"for readers and publishers. After a warm-up, and once all readers are connected, it is measured for %v, or %v at full speed;\n"+
		"idle readers for longer. ", p.readers[0].lasts, p.saturated[0].lasts)
	if p.runs > 1 {
		write("All was done %d times, one round after the other, and the figures are medians; only idle readers were measured once.\n\n", p.runs)
	} else {
		write("It was done once.\n\n")
	}
	write("* **CPU** is the time that the kernel says the processes used, in user mode and in the kernel, from `/proc/PID/task`: what the network\n" +
		"  takes of a sender is in it, and on loopback some of what it takes of a receiver. That of readers and publishers is not.\n" +
		"* An event costs a node that has little to do more than a busy one: its threads sleep in between, and are woken. Compare\n" +
		"  [at a pace](#events-of-one-request) and [as fast as it goes](#as-fast-as-it-goes).\n" +
		"* **Latency** is from when an event was due to when a reader has it. An event for many readers is written to one after the other,\n" +
		"  so p50 is about half of the time that this takes, and what the load's own process takes to read is in it.\n" +
		"* **Memory** is what a node has in RAM.\n" +
		"* Loads are paced, so that nothing is saturated where it is not said. No event was lost, doubtful or out of order.\n\n" +
		"Nodes, Redis, readers and publishers share the same processors and disturb each other, and the figures are those of this machine, and\n" +
		"of loopback without authentication, and without TLS where it is not said. Yours has others:\n\n```sh\nmake performance\n```\n\n")
}

// writeWays tells what HTTP/2 and TLS take.
func (p *performance) writeWays(write func(string, ...any)) {
	first := p.ways[0]
	write("## HTTP/2 and TLS\n\nAn embedded node with %s readers of %d targets, and %s events a second, each for the readers of one. Nodes have no TLS of their\n"+
		"own: where there is TLS, [nginx](../operations/scaling.md) is in front, and speaks HTTP/1.1 to the node. Memory is what readers who get events\n"+
		"take, with what their coming took and was not given back yet.\n\n",
		number(float64(first.readers)), first.targets, threeDigits(first.rate))
	var rows [][]string
	for _, load := range p.ways {
		perReader := func(of func(measured) float64) string {
			return threeDigits(p.median(load, of) / float64(load.readers) / 1024)
		}
		way, proxy, memory := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[load.http2], "", ""
		if load.tls {
			way += " with TLS, to nginx"
			proxy, memory = threeDigits(p.median(load, measured.proxyPerDelivery)), perReader(func(m measured) float64 { return m.proxyMemory })
		}
		rows = append(rows, []string{
			way, threeDigits(p.median(load, measured.perDelivery)), proxy, perReader(func(m measured) float64 { return m.memory - m.empty }), memory,
			threeDigits(p.median(load, measured.latency50)), threeDigits(p.median(load, measured.latency99)),
		})
	}
	writeRows(write, []string{"readers speak", "node a delivery, µs", "nginx", "node a reader, KiB", "nginx", "p50, ms", "p99, ms"}, rows)
}

// writeReaders tells of idle readers.
func (p *performance) writeReaders(write func(string, ...any)) {
	c := p.costs()
	write("## Idle readers\n\n%s readers of an embedded node, each with a topic of its own, when the node has given back what their coming took.\n"+
		"Here they are pinged every %v, so that it can be measured what a ping costs, with all else that a node does for idle readers.\n\n", number(float64(p.idle.readers)), performancePing)
	writeRows(write, []string{"one reader", ""}, [][]string{
		{"memory", threeDigits(c.reader/1024) + " KiB"},
		{"memory of the node without any", mib(int(c.empty)) + " MiB"},
		{"CPU to accept it", threeDigits(c.accept) + " µs"},
		{"CPU for a ping", threeDigits(c.ping) + " µs"},
	})
}

// audiences are what is computed an example of.
func audiences() []audience {
	return []audience{
		{readers: 1000, every: 1},
		{readers: 10_000, every: 10},
		{readers: 10_000, every: 60},
		{readers: 100_000, every: 60},
		{readers: 1_000_000, every: 300},
		{readers: 10_000, every: 1, all: true},
		{readers: 100_000, every: 10, all: true},
		{readers: 1_000_000, every: 60, all: true},
	}
}

func (p *performance) writeCapacity(write func(string, ...any)) {
	c := p.costs()
	batch := p.batches[len(p.batches)-1].batch
	write("## What to plan with\n\nComputed from the figures above, for one processor of which %.0f %% are used. The rest is for bursts and for readers who come\n"+
		"back together. Events cost what they do [as fast as it goes](#as-fast-as-it-goes), where a node is about as busy as that; deliveries to many\n"+
		"what they do at a pace.\n\n", usableCore*100)
	writeRows(write, []string{"a node with one processor", ""}, [][]string{
		{"idle readers in 1 GiB, besides the node itself", number(gibibyte / c.reader)},
		{"idle readers that it pings every 15 seconds", number(perSecond(c.ping) * usualPing)},
		{"readers that it accepts a second", number(perSecond(c.accept))},
		{fmt.Sprintf("deliveries a second, of events for %s readers each", number(float64(p.targets[0].readers))), number(perSecond(c.delivery))},
		{"events a second, each for one reader, embedded", number(perSecond(c.event))},
		{"the same with Redis", number(perSecond(c.shared))},
		{fmt.Sprintf("the same, published %d at a time", batch), number(perSecond(c.sharedFew))},
		{"events a second that Redis takes, with one processor", number(perSecond(c.store))},
		{fmt.Sprintf("the same, published %d at a time", batch), number(perSecond(c.storeFew))},
	})
	write("Each row is for all of the processor: who does two things at a time has less for each.\n\n" +
		"Examples, on nodes with Redis. Processors are those of all nodes together, and of Redis, whose work one\n" +
		"thread does: what is over 1 there has to be published in [batches](http.md#answers), or less often.\n\n")
	var rows [][]string
	for _, a := range audiences() {
		n, what := c.needs(a), "an event of its own"
		if a.all {
			what = "the same event"
		}
		rows = append(rows, []string{
			number(a.readers), fmt.Sprintf("%s every %s s", what, number(a.every)), threeDigits(n.events), number(n.deliveries),
			threeDigits(n.nodes), threeDigits(n.store), threeDigits(n.memory / gibibyte),
		})
	}
	writeRows(write, []string{"readers", "each gets", "events/s", "deliveries/s", "processors of nodes", "of Redis", "GiB for readers"}, rows)
	write("What is assumed:\n\n"+
		"* Costs grow in proportion: twice the events take twice the time. The tables above show where that does not hold.\n"+
		"* Events have %d bytes. They are published one at a time, and are spread evenly over time.\n"+
		"* An event for one reader costs what it did with one node. One for all costs each node its deliveries, and Redis its publish.\n"+
		"* Readers that get less than an event in 15 seconds are pinged every 15 seconds.\n"+
		"* A reader takes the memory that it did without Redis. What logs take is in [limits](../operations/limits.md#memory), what Redis takes\n"+
		"  is in [its page](../operations/redis.md#memory-and-time), and each node takes its own %s MiB.\n"+
		"* An event for many readers is a burst. The last of them has it when the nodes have written to all of them, which the figures do\n"+
		"  not say.\n"+
		"* A node has 18,000 readers, or as many as `limits.connections` says, and more open files than that.\n"+
		"* Readers stay. Those who come, and come back, cost what is said for accepting them.\n"+
		"* There is neither TLS nor authentication in it, and no balancer.\n", p.batches[0].size, mib(int(c.empty)))
}

// writeRows writes a table whose first column is text.
func writeRows(write func(string, ...any), header []string, rows [][]string) {
	write("| %s |\n|---|%s\n", strings.Join(header, " | "), strings.Repeat("---:|", len(header)-1))
	for _, row := range rows {
		write("| %s |\n", strings.Join(row, " | "))
	}
	write("\n")
}

// threeDigits is a number for people, with about three digits that count.
func threeDigits(v float64) string {
	switch {
	case v >= 100:
		return number(v)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 0.001: // nobody plans with so little
		return "under 0.001"
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}
