package integration_test

const (
	// usableCore is how much of a processor is planned with: the rest is for bursts, for readers who come back, and for whatever
	// makes a machine slower than the one that was measured.
	usableCore = 0.5
	// usualPing is how often, in seconds, a reader is pinged who gets nothing else: stream.heartbeat.
	usualPing = 15
	gibibyte  = 1 << 30
)

// costs are what one of each takes: microseconds of CPU time, and bytes.
type costs struct {
	event     float64 // for one reader, embedded: its publish and its delivery
	delivery  float64 // of an event for many readers
	accept    float64 // of a reader
	ping      float64 // of a reader
	reader    float64 // bytes of an idle one
	empty     float64 // bytes of a node without any
	shared    float64 // an event for one reader, with Redis: the node
	sharedFew float64 // the same, in the largest batches
	store     float64 // and Redis
	storeFew  float64 // the same, in the largest batches
}

// costs are the medians of what was measured. For events it is that of nodes that had as much to do as they could: the pace of
// the other trials lets threads sleep after each event, and to wake them takes more than the event.
func (p *performance) costs() costs {
	many, single, batch := p.targets[0], p.saturated[0], p.saturated[len(p.saturated)-1]
	readers := float64(p.idle.readers)
	return costs{
		event: p.median(p.embedded, measured.perEvent), delivery: p.median(many, measured.perDelivery),
		accept: p.median(p.idle, func(m measured) float64 { return m.accept / readers }),
		ping:   p.median(p.idle, func(m measured) float64 { return m.nodes / readers / p.idle.pings() }),
		reader: p.median(p.idle, func(m measured) float64 { return (m.memory - m.empty) / readers }),
		empty:  p.median(p.idle, func(m measured) float64 { return m.empty }),
		shared: p.median(single, measured.perEvent), sharedFew: p.median(batch, measured.perEvent),
		store: p.median(single, measured.storePerEvent), storeFew: p.median(batch, measured.storePerEvent),
	}
}

// perSecond is how many of what takes so many microseconds a processor does, of which as much is used as is planned with.
func perSecond(microseconds float64) float64 { return usableCore * 1e6 / microseconds }

// audience is readers who get events.
type audience struct {
	readers float64
	every   float64 // seconds from one event to the next, for each reader
	all     bool    // they get the same one, and not each an event of its own
}

// needs are what an audience takes.
type needs struct {
	events, deliveries float64 // a second
	nodes, store       float64 // processors, used as much as is planned with
	memory             float64 // bytes, for readers
}

// needs computes what an audience takes on nodes with Redis.
func (c costs) needs(a audience) (n needs) {
	n.deliveries = a.readers / a.every
	n.events = n.deliveries
	cpu := n.events * c.shared
	if a.all {
		n.events = 1 / a.every
		cpu = n.deliveries * c.delivery // with what the publish takes
	}
	if a.every > usualPing { // more often there is no silence to be broken
		cpu += a.readers / usualPing * c.ping
	}
	n.nodes, n.store = cpu/1e6/usableCore, n.events*c.store/1e6/usableCore
	n.memory = a.readers * c.reader
	return n
}
