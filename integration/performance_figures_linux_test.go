package integration_test

import "fmt"

// Columns that several figures have.
func cpuPerDelivery(chart string) performanceColumn {
	return performanceColumn{name: "CPU a delivery, µs", of: measured.perDelivery, chart: chart, line: "delivery", unit: "µs"}
}

func cpuPerEvent(chart string) performanceColumn {
	return performanceColumn{name: "CPU an event, µs", of: measured.perEvent, chart: chart, line: "event", unit: "µs"}
}

func latencies() []performanceColumn {
	const chart = "Latency of deliveries"
	return []performanceColumn{
		{name: "p50, ms", of: measured.latency50, chart: chart, line: "p50", unit: "ms"},
		{name: "p99, ms", of: measured.latency99, chart: chart, line: "p99", unit: "ms"},
	}
}

func busyPart() performanceColumn {
	return performanceColumn{name: "processors used", of: measured.busy}
}

// figures are what is told along a quantity.
func (p *performance) figures() []performanceFigure {
	event, delivery := cpuPerEvent("CPU time of the node"), cpuPerDelivery("CPU time of the node")
	event.log, delivery.log = true, true
	return []performanceFigure{
		{
			title: "Readers of one target", picture: "performance-readers.svg", unit: "readers", log: true, along: p.readers,
			quantity: func(t trial) int { return t.readers },
			text: fmt.Sprintf("An embedded node, events of %d bytes, each for all readers, with the same number of deliveries a second as far as that goes. What the\n"+
				"publish costs is in it, and counts less the more readers share it.", p.readers[0].size),
			columns: append([]performanceColumn{cpuPerDelivery("CPU time of the node"), busyPart()}, latencies()...),
		},
		{
			title: "Targets", picture: "performance-targets.svg", unit: "targets", log: true, along: p.targets,
			quantity: func(t trial) int { return t.targets },
			text: fmt.Sprintf("An embedded node with %s readers, spread over so many targets. An event is for the readers of one. With as many targets as\n"+
				"readers, each event has a publish of its own to carry.", number(float64(p.targets[0].readers))),
			columns: append([]performanceColumn{event, delivery, busyPart()}, latencies()...),
		},
		{
			title: "Size of events", picture: "performance-sizes.svg", unit: "bytes", log: true, along: p.sizes,
			quantity: func(t trial) int { return t.size },
			text: fmt.Sprintf("An embedded node with %s readers of %d targets, and %s events a second. Bytes are those of an event's data.",
				number(float64(p.sizes[0].readers)), p.sizes[0].targets, number(p.sizes[0].rate)),
			columns: append([]performanceColumn{cpuPerDelivery("CPU time of the node"), busyPart()}, latencies()...),
		},
		{
			title: "Nodes on one Redis", picture: "performance-nodes.svg", unit: "nodes", along: p.nodes,
			quantity: func(t trial) int { return t.nodes },
			text: fmt.Sprintf("%s readers of %d targets and %s events a second, spread over the nodes. Each target has readers at every node, so that every\n"+
				"node gets every event. CPU is that of all nodes together.",
				number(float64(p.nodes[0].readers)), p.nodes[0].targets, number(p.nodes[0].rate)),
			columns: append([]performanceColumn{
				{name: "nodes an event, µs", of: measured.perEvent, chart: "CPU time of an event", line: "nodes", unit: "µs"},
				{name: "Redis an event, µs", of: measured.storePerEvent, chart: "CPU time of an event", line: "Redis", unit: "µs"},
				{name: "nodes a delivery, µs", of: measured.perDelivery},
				busyPart(),
			}, latencies()...),
		},
		{
			title: "Events of one request", picture: "performance-batches.svg", unit: "events a request", log: true, along: p.batches,
			quantity: func(t trial) int { return t.batch },
			text: fmt.Sprintf("A node on Redis with %d readers, each of a target of its own, at a pace of %s to %s events a second.",
				p.batches[0].readers, number(p.batches[0].rate), number(p.batches[len(p.batches)-1].rate)),
			columns: []performanceColumn{
				{name: "node an event, µs", of: measured.perEvent, chart: "CPU time of an event", line: "node", unit: "µs", log: true},
				{name: "Redis an event, µs", of: measured.storePerEvent, chart: "CPU time of an event", line: "Redis", unit: "µs", log: true},
				{name: "events a second", of: func(m measured) float64 { return m.acknowledged }},
				{name: "p50, ms", of: measured.latency50},
				{name: "p99, ms", of: measured.latency99},
			},
		},
		{
			title: "As fast as it goes", picture: "performance-saturated.svg", unit: "events a request", log: true, along: p.saturated,
			quantity: func(t trial) int { return t.batch },
			text: fmt.Sprintf("The same, with four publishers who each send when they have their answer. Here everything competes for the processors, publishers\n"+
				"included: a node that has the machine for itself does more. An embedded node took %s events a second, one at a time, for\n"+
				"%s µs of CPU each.",
				threeDigits(p.median(p.embedded, func(m measured) float64 { return m.acknowledged })), threeDigits(p.median(p.embedded, measured.perEvent))),
			columns: []performanceColumn{
				{name: "events a second", of: func(m measured) float64 { return m.acknowledged }, chart: "Acknowledged", line: "events", unit: "events a second", log: true},
				{name: "node an event, µs", of: measured.perEvent},
				{name: "Redis an event, µs", of: measured.storePerEvent},
				busyPart(),
			},
		},
	}
}

// pictures are those of the figures, by the name of the file.
func (p *performance) pictures() map[string]string {
	drawn := make(map[string]string)
	for _, f := range p.figures() {
		x := axis{unit: f.unit, log: f.log, marked: true}
		for _, load := range f.along {
			x.values = append(x.values, float64(f.quantity(load)))
		}
		var charts []chart
		for _, c := range f.columns {
			if c.chart == "" {
				continue
			}
			if len(charts) == 0 || charts[len(charts)-1].title != c.chart {
				charts = append(charts, chart{title: c.chart, unit: c.unit, log: c.log})
			}
			l := line{name: c.line}
			for _, load := range f.along {
				l.values = append(l.values, p.median(load, c.of))
			}
			last := &charts[len(charts)-1]
			last.lines = append(last.lines, l)
		}
		drawn[f.picture] = drawing(f.title, x, charts...)
	}
	return drawn
}
