package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// What publishers that talk to Redis themselves have to know.
const (
	headKey       = "pushstream:1:{p0}:head"
	aliceLog      = "pushstream:1:{p0}:log:default:user:alice"
	ingestStream  = "pushstream:ingest"
	ingestLease   = "{pushstream:ingest}:lease"
	malformedKept = "{pushstream:ingest}:malformed"
)

func order(n int) string { return fmt.Sprintf(`{"order": %d}`, n) }

// publishAllWays publishes an order for alice in each of the four ways, the first number on, and returns what readers get.
// An entry of the ingest stream has no answer, so its id is empty.
func publishAllWays(t *testing.T, c *cluster, first int) []message {
	t.Helper()
	byHTTP := curlPublish(t, c.nodes[0], "user:alice", first)
	byFunction, ok := c.redis.Do("FCALL", "pushstream_1_send", 2, headKey, aliceLog, "order.created", order(first+1)).(string)
	require.True(t, ok)
	c.redis.Do("XADD", ingestStream, "*", "target", "user:alice", "type", "order.created", "data", order(first+2))
	require.Eventually(t, func() bool { return c.redis.Do("XLEN", ingestStream) == int64(0) }, patience, 5*time.Millisecond, "nobody takes what is added")
	c.redis.Do("PUBLISH", aliceLog, fmt.Sprintf(`{"type": "order.created", "data": %s}`, order(first+3)))
	return []message{orderBlock(byHTTP, first), orderBlock(byFunction, first+1), orderBlock("", first+2), orderBlock("", first+3)}
}

// requireAllWays checks what a reader got of publishAllWays. Without a position of its own, what is live only comes under the
// id of the block before it.
func requireAllWays(t *testing.T, want, got []message, liveOnly bool) {
	t.Helper()
	want[2].ID = got[2].ID
	require.True(t, position(t, got[1].ID).After(position(t, got[0].ID)))
	require.True(t, position(t, got[2].ID).After(position(t, got[1].ID)))
	want[3].ID = got[2].ID
	if !liveOnly {
		want = want[:3]
	}
	require.Equal(t, want, got)
}

func TestFourWaysToPublish(t *testing.T) {
	t.Parallel()
	c := startCluster(t, redistest.Start(t))
	alice := newVisitor(t, c.nginx.URL)
	var stream *visit
	require.Eventually(t, func() bool {
		stream = alice.opens("user=alice")
		return stream.node == "three"
	}, patience, time.Millisecond)
	stream.await(2)
	sent := publishAllWays(t, c, 1)
	seen := stream.await(6)[2:]
	requireAllWays(t, sent, seen, true)

	c.nodes[2].kill()
	<-stream.ended
	sent = publishAllWays(t, c, 11)
	back := alice.opens("user=alice", "Last-Event-ID: "+seen[3].ID)
	require.NotEqual(t, "three", back.node)
	blocks := back.await(5)
	require.Equal(t, strings.Join([]string{hello, "order.created", "order.created", "order.created", live}, " "), types(blocks))
	requireAllWays(t, sent, blocks[1:4], false)
	sent = publishAllWays(t, c, 21)
	requireAllWays(t, sent, back.await(9)[5:], true)
}

// faulty is an entry of the ingest stream that nobody can publish, and the reason that is given.
type faulty struct {
	values []string
	reason string
}

var faultyEntries = []faulty{
	{[]string{"type", "order.created", "data", "1"}, "target is missing"},
	{[]string{"target", "alice", "type", "order.created", "data", "1"}, `invalid target: "alice"`},
	{[]string{"target", "user:alice", "type", "pushstream.gap", "data", "1"}, "reserved"},
	{[]string{"target", "user:alice", "type", "order.created", "data", "{"}, "JSON"},
	{[]string{"target", "user:alice", "type", "order.created"}, "one of data and text is needed"},
	{[]string{"target", "user:alice", "type", "order.created", "data", "1", "ttl", "60"}, `"ttl" is not`},
	{[]string{"target", "user:alice", "type", "order.created", "text", strings.Repeat("x", 70_000)}, "event too large"},
}

// The node that reads the ingest stream is killed after it has published entries, and before it could say so.
func TestIngestOutlivesItsNode(t *testing.T) {
	t.Parallel()
	const entries, seen = 500, 150
	server := redistest.Start(t)
	// Redis is far away from the first node, so there is time to kill it between two commands.
	far := redistest.StartLink(t, server.Addr)
	victim := startNode(t, "--redis", "redis://"+far.Addr)
	far.Delay(100 * time.Millisecond)
	require.Eventually(t, func() bool { return server.Do("EXISTS", ingestLease) == int64(1) }, patience, 5*time.Millisecond)
	others := []*node{startNode(t, "--redis", server.URL()), startNode(t, "--redis", server.URL())}
	readers := startReaders(t, others, 1, ordersQuery)

	added, bad := addEntries(t, server, entries, ordersTargets)
	require.Eventually(t, func() bool {
		blocks, _ := readers[0].received()
		return len(blocks) >= seen
	}, patience, time.Millisecond)
	victim.kill()
	requireInHand(t, server, readers[0])
	for _, n := range others {
		require.Zero(t, n.metric(`pushstream_redis_ingested_total{result="published"}`))
	}

	for _, r := range readers {
		blocks := r.await(2 + entries)
		got, controls := split(blocks)
		require.Equal(t, hello+" "+live, controls)
		for _, m := range got {
			require.Contains(t, added, m.Data)
		}
		requireOrderWithinTargets(t, got, entries, ordersTargets)
	}
	require.Eventually(t, func() bool { return server.Do("XLEN", ingestStream) == int64(0) }, patience, 5*time.Millisecond)
	requirePutAside(t, server, bad)
	for _, r := range readers {
		blocks, _ := r.received()
		require.Len(t, blocks, 2+entries, "something came twice")
	}
}

// addEntries adds so many orders for targets in turns to the ingest stream, and now and then an entry that is malformed. It
// returns the data of the orders, and the malformed entries by their ids.
func addEntries(t *testing.T, server *redistest.Server, count int, targets []string) (data []string, malformed map[string]faulty) {
	t.Helper()
	malformed = make(map[string]faulty)
	ids := make(map[*goredis.StringCmd]faulty)
	_, err := server.Client().Pipelined(t.Context(), func(pipe goredis.Pipeliner) error {
		for i := range count {
			data = append(data, order(i))
			pipe.XAdd(t.Context(), &goredis.XAddArgs{Stream: ingestStream, Values: []string{"target", targets[i%len(targets)], "type", "order.created", "data", order(i)}})
			if i%10 == 0 {
				f := faultyEntries[i/10%len(faultyEntries)]
				ids[pipe.XAdd(t.Context(), &goredis.XAddArgs{Stream: ingestStream, Values: f.values})] = f
			}
		}
		return nil
	})
	require.NoError(t, err)
	for id, f := range ids {
		malformed[id.Val()] = f
	}
	return data, malformed
}

// requireInHand checks that entries are left that were published, and not acknowledged.
func requireInHand(t *testing.T, server *redistest.Server, r *follower) {
	t.Helper()
	pending, err := server.Client().XPendingExt(t.Context(), &goredis.XPendingExtArgs{Stream: ingestStream, Group: "pushstream", Start: "-", End: "+", Count: 1000}).Result()
	require.NoError(t, err)
	require.NotEmpty(t, pending, "the node had nothing in hand")
	left, err := server.Client().XRange(t.Context(), ingestStream, pending[0].ID, pending[len(pending)-1].ID).Result()
	require.NoError(t, err)
	blocks, _ := r.received()
	published := 0
	for _, entry := range left {
		if slices.ContainsFunc(blocks, func(m message) bool { return m.Data == entry.Values["data"] }) {
			published++
		}
	}
	require.Positive(t, published, "the node had published nothing of what it had in hand")
	t.Logf("killed with %d entries in hand, %d of them published", len(left), published)
}

// requireOrderWithinTargets checks that the orders of addEntries came in the order in which they were added, as far as they
// are for the same target.
func requireOrderWithinTargets(t *testing.T, got []message, count int, targets []string) {
	t.Helper()
	perTarget := make([][]int, len(targets))
	for _, m := range got {
		var n int
		_, err := fmt.Sscanf(m.Data, `{"order": %d}`, &n)
		require.NoError(t, err)
		perTarget[n%len(targets)] = append(perTarget[n%len(targets)], n)
	}
	for i, numbers := range perTarget {
		require.Len(t, numbers, (count+len(targets)-1-i)/len(targets))
		require.True(t, slices.IsSorted(numbers), "%s: %v", targets[i], numbers)
		require.Len(t, slices.Compact(numbers), len(numbers))
	}
}

// requirePutAside checks that each malformed entry is kept once, with the reason and what it had.
func requirePutAside(t *testing.T, server *redistest.Server, malformed map[string]faulty) {
	t.Helper()
	kept, err := server.Client().XRange(t.Context(), malformedKept, "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, kept, len(malformed))
	for _, entry := range kept {
		id, ok := entry.Values["id"].(string)
		require.True(t, ok)
		f, ok := malformed[id]
		require.True(t, ok, "%s is kept twice, or was not malformed", id)
		delete(malformed, id)
		require.Contains(t, entry.Values["reason"], f.reason)
		for i := 0; i < len(f.values); i += 2 {
			require.Equal(t, f.values[i+1][:min(len(f.values[i+1]), 4<<10)], entry.Values["field:"+f.values[i]])
		}
	}
}
