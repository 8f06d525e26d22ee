package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/bench"
)

func TestWhatALoadCosts(t *testing.T) {
	t.Parallel()
	c := cost{
		nodes: 300 * time.Millisecond, redis: 20 * time.Millisecond, accept: time.Second, memory: 50_000, readers: 100,
		acknowledged: bench.Series{Count: 1000}, deliveries: bench.Series{Count: 100_000},
	}
	require.InDelta(t, 3, c.perDelivery(), 1e-9)
	require.InDelta(t, 300, c.perEvent(), 1e-9)
	require.InDelta(t, 20, c.redisPerEvent(), 1e-9)
	require.InDelta(t, 10_000, c.perAccept(), 1e-9)
	require.InDelta(t, 500, c.perReader(), 1e-9)

	s := point{costs: []cost{{memory: 30, readers: 1}, {memory: 10, readers: 1}, {memory: 20, readers: 1}}}
	require.InDelta(t, 20, s.median(cost.perReader), 1e-9)
	s.costs = append(s.costs, cost{memory: 40, readers: 1})
	require.InDelta(t, 25, s.median(cost.perReader), 1e-9)
}

func TestWhatADeploymentNeeds(t *testing.T) {
	t.Parallel()
	c := capacity{reader: 2000, delivery: 5, publish: 100, redis: 20}
	cores, bytes, redis := c.needs(demand{readers: 10_000, events: 1000, copies: 1})
	require.InDelta(t, 0.2, cores, 1e-9, "half of the time")
	require.InDelta(t, 20e6, bytes, 1e-9)
	require.InDelta(t, 0.02, redis, 1e-9)
	cores, _, redis = c.needs(demand{readers: 10_000, events: 10, copies: 10_001})
	require.InDelta(t, 2*10*(100+10_000*5)/1e6, cores, 1e-9)
	require.InDelta(t, 0.0002, redis, 1e-9)
}

func TestSamplesAreTakenNextToAMoment(t *testing.T) {
	t.Parallel()
	at := time.Now()
	s := samples{all: []sample{{at: at, memory: 1}, {at: at.Add(time.Second), memory: 2}, {at: at.Add(2 * time.Second), memory: 3}}}
	require.Equal(t, 1, s.at(at.Add(-time.Minute)).memory)
	require.Equal(t, 2, s.at(at.Add(700*time.Millisecond)).memory)
	require.Equal(t, 2, s.at(at.Add(1400*time.Millisecond)).memory)
	require.Equal(t, 3, s.at(at.Add(time.Minute)).memory)
}

func TestScalesOfPictures(t *testing.T) {
	t.Parallel()
	zero := fromZero(38, 5, true)
	require.Equal(t, []float64{0, 10, 20, 30, 40}, zero.ticks)
	require.InDelta(t, 0.25, zero.share(10), 1e-9)
	tens := byTens([]float64{0.3, 70})
	require.InDeltaSlice(t, []float64{0.1, 1, 10, 100}, tens.ticks, 1e-9)
	require.InDelta(t, 1.0/3, tens.share(1), 1e-9)
	marked := axis{values: []float64{1, 10, 100}, log: true, marked: true}.scale()
	require.Equal(t, []float64{1, 10, 100}, marked.ticks, "the values themselves")
	require.InDelta(t, 0.5, marked.share(10), 1e-9)
	require.InDelta(t, 0, axis{values: []float64{1}, log: true, marked: true}.scale().share(1), 1e-9, "one value has a place too")
}
