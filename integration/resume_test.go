package integration_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Somebody with two terminals: a reader is stopped, misses two events, comes back with the last id that it had, gets both,
// and goes on live.
func TestResumeWithCurl(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--stream-heartbeat", "1s")
	for name, lastID := range map[string]func(*testing.T, *follower) string{
		"alice, who had an event": func(t *testing.T, f *follower) string {
			t.Helper()
			id := curlPublish(t, n, "user:alice", 1)
			require.Equal(t, orderBlock(id, 1), f.await(3)[2])
			return id
		},
		"bob, who had only hello": func(_ *testing.T, f *follower) string {
			return f.await(2)[0].ID
		},
		"carol, who had pings": func(t *testing.T, f *follower) string {
			t.Helper()
			return f.awaitPing(position(t, f.await(2)[1].ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := regexp.MustCompile(`\w+`).FindString(name)
			f := curlFollow(t, n, "user="+user, "")
			require.Equal(t, hello+" "+live, types(f.await(2)))
			last := lastID(t, f)
			f.stop()

			missed := []string{curlPublish(t, n, "user:"+user, 2), curlPublish(t, n, "user:"+user, 3)}
			f = curlFollow(t, n, "user="+user, last)
			blocks := f.await(4)
			require.Equal(t, hello, blocks[0].Type)
			require.Equal(t, last, blocks[0].ID)
			require.Contains(t, blocks[0].Data, `"resumed":"replaying"`)
			require.Equal(t, []message{orderBlock(missed[0], 2), orderBlock(missed[1], 3)}, blocks[1:3])
			require.Equal(t, live, blocks[3].Type)

			id := curlPublish(t, n, "user:"+user, 4)
			require.Equal(t, []message{orderBlock(id, 4)}, f.await(5)[4:])
		})
	}
}
