package integration_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

// cursorOf subscribes, waits until the reader is live, hangs up, and returns the cursor that it has.
func cursorOf(t *testing.T, n *node, query string) string {
	t.Helper()
	f := curlFollow(t, n, query, "")
	cursor := f.await(2)[0].ID
	f.stop()
	return cursor
}

// requireFollowing checks that a live reader gets what is published from now on.
func requireFollowing(t *testing.T, n *node, f *follower, target string) {
	t.Helper()
	want := orderBlock(curlPublish(t, n, target, 99), 99)
	require.Eventually(t, func() bool {
		blocks, _ := f.received()
		return slices.Contains(blocks, want)
	}, patience, 5*time.Millisecond)
}

// awaitLive waits until a reader is live and returns the blocks up to there.
func (f *follower) awaitLive() (blocks []message) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		blocks, _ = f.received()
		at := slices.IndexFunc(blocks, func(m message) bool { return m.Type == live })
		blocks = blocks[:at+1]
		return at >= 0
	}, patience, 5*time.Millisecond)
	return blocks
}

func TestGapTrimmed(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--retention-length", "5")
	const query = "user=alice&topic=news"
	cursor := cursorOf(t, n, query)
	var news []message
	for i := range 6 { // one more than are kept
		curlPublish(t, n, "user:alice", i)
		if i < 5 {
			news = append(news, orderBlock(curlPublish(t, n, "topic:news", i), i))
		}
	}
	for range 2 { // who breaks off behind the gap is told again
		f := curlFollow(t, n, query, cursor)
		blocks := f.await(8)
		require.Equal(t, hello, blocks[0].Type)
		requireGap(t, blocks[1], cursor, "trimmed", "user:alice")
		require.Equal(t, news, blocks[2:7], "the other topic is there in full")
		require.Equal(t, live, blocks[7].Type)
		requireFollowing(t, n, f, "user:alice")
		f.stop()
	}
}

func TestGapExpired(t *testing.T) {
	t.Parallel()
	const age = 2 * time.Second
	n := startNode(t, "--retention-age", age.String(), "--stream-heartbeat", "1s")
	const query = "user=alice&topic=news"
	clock := curlFollow(t, n, "user=clock", "")
	cursor := cursorOf(t, n, query)
	gone := position(t, curlPublish(t, n, "user:alice", 1))
	// The other topic goes on, so that its log is kept.
	done := make(chan struct{})
	go func() { // joined by the cleanup
		defer close(done)
		for order := 0; t.Context().Err() == nil; order++ {
			response, err := httpClient.Post(n.URL+"/events", "application/json", strings.NewReader(orderEvent("topic:news", order)))
			if err != nil {
				t.Errorf("publish: %v", err)
				return
			}
			_ = response.Body.Close()
			select {
			case <-t.Context().Done():
			case <-time.After(age / 20):
			}
		}
	}()
	t.Cleanup(func() { <-done })
	expired, err := event.NewPosition(gone.Timeline(), gone.Millis()+uint64(age.Milliseconds()), 0)
	require.NoError(t, err)
	clock.awaitPing(expired)

	requireExpired := func() *follower {
		f := curlFollow(t, n, query, cursor)
		blocks := f.awaitLive()
		require.Equal(t, hello, blocks[0].Type)
		requireGap(t, blocks[1], cursor, "expired", "all", "user:alice")
		news := blocks[2 : len(blocks)-1]
		require.Greater(t, len(news), 5)
		for order, b := range news {
			require.Equal(t, orderBlock(b.ID, order), b, "the topic that went on is there in full")
		}
		return f
	}
	requireExpired().stop()
	curlPublish(t, n, "user:alice", 2)
	f := requireExpired() // the log is there again, and what it has now hides nothing
	requireFollowing(t, n, f, "user:alice")
}

// restart kills a node and starts it again on the same addresses.
func restart(t *testing.T, n *node) *node {
	t.Helper()
	n.kill()
	again := &node{
		process: startProcess(t, exec.Command(n.cmd.Path, n.cmd.Args[1:]...), nil),
		URL:     n.URL, AdminURL: n.AdminURL,
	}
	waitFor(t, again.URL+"/readyz")
	return again
}

func TestGapLostByRestart(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	const query = "user=alice&topic=news"
	f := curlFollow(t, n, query, "")
	f.await(2)
	cursor := curlPublish(t, n, "user:alice", 1)
	f.await(3)
	curlPublish(t, n, "topic:news", 2)
	n = restart(t, n)
	curlPublish(t, n, "topic:news", 3)

	f = curlFollow(t, n, query, cursor)
	blocks := f.await(3)
	require.Equal(t, hello+" "+gap+" "+live, types(blocks))
	require.Equal(t, cursor, blocks[0].ID)
	requireGap(t, blocks[1], cursor, "lost", "all", "user:alice", "topic:news")
	require.NotEqual(t, position(t, cursor).Timeline(), position(t, blocks[2].ID).Timeline())
	requireFollowing(t, n, f, "topic:news")
}

func TestGapOfNonsense(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, query := range []string{"user=alice", "user=alice&lastEventId=also-nonsense"} {
		for _, nonsense := range []string{"nonsense", "%00", strings.Repeat("9", 4000), "AAAAAAAA.1-0", "-1"} {
			f := curlFollow(t, n, query, nonsense)
			blocks := f.await(3)
			require.Equal(t, hello+" "+gap+" "+live, types(blocks), nonsense)
			requireGap(t, blocks[1], nonsense, "lost", "all", "user:alice")
			requireFollowing(t, n, f, "user:alice")
			f.stop()
		}
	}
}

// The log is trimmed behind the back of a reader that is being given it.
func TestGapTrimmedWhileReplaying(t *testing.T) {
	t.Parallel()
	const length, size = 1000, 8 << 10 // twice what the sockets hold
	n := startNode(t, "--retention-length", strconv.Itoa(length))
	cursor := cursorOf(t, n, "topic=news")
	published := 0
	publish := func() {
		for range 10 {
			var events []string
			for range length / 10 {
				events = append(events, fmt.Sprintf(`{"target": "topic:news", "type": "order.created", "data": [%d,%q]}`, published, strings.Repeat("x", size)))
				published++
			}
			publishBatch(t, httpClient, n, events)
		}
	}
	publish()
	conn, body, err := dialStream(n, "topic=news", "Last-Event-ID: "+cursor)
	require.NoError(t, err)
	defer conn.Close()
	publish()
	f := follow(t, cursor, func(ctx context.Context) (io.Reader, func(), error) {
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		return body, func() { stop() }, nil
	})
	blocks := f.awaitLive()
	given := len(blocks) - 3 // hello, gap and live
	require.Positive(t, given, "there is something before the gap")
	require.Less(t, given, length, "there is something after the gap")
	for i, b := range blocks[1 : 1+given] {
		require.True(t, strings.HasPrefix(b.Data, fmt.Sprintf("[%d,", i)), "event %d is %.20s", i, b.Data)
	}
	requireGap(t, blocks[1+given], blocks[given].ID, "trimmed", "topic:news")
	requireFollowing(t, n, f, "topic:news")
	t.Logf("%d of %d events, a gap, then live", given, published)
}
