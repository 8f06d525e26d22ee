package redis

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// queued adds so many events of a tenant, of so many bytes each.
func queued(t *testing.T, q *queue, tenant string, count, size int) *request {
	t.Helper()
	name, err := event.ParseTenant(tenant)
	require.NoError(t, err)
	text := make([]byte, size)
	for i := range text {
		text[i] = '1'
	}
	data, err := event.ParseJSON(text)
	require.NoError(t, err)
	r := new(request)
	for i := range count {
		q.add(&item{request: r, index: i, publication: &backplane.Publication{Tenant: name, Event: event.Event{Data: data}}})
	}
	return r
}

// of counts the events of each tenant, and checks that they are in order.
func of(t *testing.T, next map[*request]int, taken []*item) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, it := range taken {
		require.Equal(t, next[it.request], it.index)
		next[it.request]++
		counts[it.publication.Tenant.String()]++
	}
	return counts
}

func TestTenantsTakeTurns(t *testing.T) {
	var q queue
	next := make(map[*request]int)
	queued(t, &q, "large", 1000, 1)
	require.Equal(t, map[string]int{"large": 128}, of(t, next, q.take()), "alone it has all there is")
	queued(t, &q, "small", 1, 1)
	queued(t, &q, "medium", 100, 1)
	require.Equal(t, map[string]int{"large": 64, "small": 1, "medium": 63}, of(t, next, q.take()))
	require.Equal(t, map[string]int{"large": 91, "medium": 37}, of(t, next, q.take()))
	for range 5 {
		require.Equal(t, map[string]int{"large": 128}, of(t, next, q.take()))
	}
	require.Equal(t, map[string]int{"large": 1000 - 128 - 64 - 91 - 5*128}, of(t, next, q.take()))
	require.Nil(t, q.take())
	require.Empty(t, q.of, "nothing is kept of a tenant that waits for nothing")
}

func TestACallIsBounded(t *testing.T) {
	var q queue
	next := make(map[*request]int)
	queued(t, &q, "a", 10, maxCallBytes/4+1)
	queued(t, &q, "b", 10, 1)
	require.Equal(t, map[string]int{"a": 4, "b": 3}, of(t, next, q.take()), "the one that makes it too large is its last")
	gone := queued(t, &q, "c", 1000, 1)
	gone.givenUp = true
	require.Equal(t, map[string]int{"a": 4, "b": 4}, of(t, next, q.take()), "nobody waits for the others")
}
