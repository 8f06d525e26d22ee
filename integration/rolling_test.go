package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// nextRelease builds a node whose functions on Redis have another version than this one's, as a release has that changes
// them. Everything else is the same.
func nextRelease(t *testing.T) (program string) {
	t.Helper()
	const library, this, next = "pkg/backplane/redis/library.go", `const version = "1"`, `const version = "2"`
	dir := t.TempDir()
	source, err := filepath.Abs(filepath.Join("..", library))
	require.NoError(t, err)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Contains(t, string(text), this)
	changed := filepath.Join(dir, "library.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), this, next, 1)), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program = filepath.Join(dir, "pushstreamd")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "./cmd/pushstreamd")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// Three nodes are replaced one by one by those of the next release, under load. Until the last one, both releases share the
// Redis.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	next := nextRelease(t)
	c := startCluster(t, redistest.Start(t), "--stream-retry", "200ms", "--retention-length", "10000")
	targets := ordersTargets[1:]
	before := cursorOf(t, c.nodes[0], ordersQuery)
	var readers []*reader
	for name, drive := range map[string]driver{"eventsource": withEventSource, "go-sse": withGoSSE, "curl": withCurl} {
		r := newReader(t, c.nginx, name, targets...)
		drive(t, []string{"order.created", endType}, r)
		readers = append(readers, r)
	}
	allOf(t, readers, "subscribed", established)
	requireReleases(t, c.redis, "1")
	events := startLoad(t, 100, func(int) *node { return c.nginx }, targets...)

	for i, name := range []string{"one", "two", "three"} {
		require.Positive(t, c.nodes[i].metric("pushstream_connections"), "a node without readers proves nothing")
		c.nodes[i] = replace(t, c.nodes[i], next)
		c.awaitTurn(name)
		if name != "three" {
			requireReleases(t, c.redis, "1", "2")
			requireMutual(t, c.nodes)
		}
		events.awaitMore(100)
	}
	all := events.stop()
	t.Logf("%d events, answers to publishes that had to be repeated: %v", len(all), events.refused())
	c.nginx.publish(`{"target": "topic:news", "type": "` + endType + `", "data": null}`)
	allOf(t, readers, "at the end", func(r *reader) bool { return r.last() == endType })
	var wrong tally
	for _, r := range readers {
		got, faults := r.received()
		for _, fault := range faults {
			require.Contains(t, fault, `pushstream.bye {"reason":"draining"`)
		}
		require.Greater(t, r.hellos(), 1)
		wrong = wrong.plus(tallyOf(t, got[:len(got)-1], all))
	}
	require.Equal(t, tally{}, wrong)
	for _, n := range c.nodes {
		got, controls := split(plainFollow(t, n, ordersQuery, before).awaitLive())
		require.Equal(t, hello+" "+live, controls)
		require.Equal(t, tally{}, tallyOf(t, got[:len(got)-1], all), "with a cursor of the release before")
	}
}

// requireReleases checks of which releases functions are on Redis: a node brings its own only.
func requireReleases(t *testing.T, server *redistest.Server, versions ...string) {
	t.Helper()
	libraries, ok := server.Do("FUNCTION", "LIST").([]any)
	require.True(t, ok)
	require.Len(t, libraries, len(versions))
	for _, version := range versions {
		require.Contains(t, fmt.Sprint(libraries), "pushstream_"+version+"_publish")
	}
}

// requireMutual checks that readers on every node get what is published on every node: live, and with cursors of every node.
func requireMutual(t *testing.T, nodes []*node) {
	t.Helper()
	readers := startReaders(t, nodes, 1, "topic=mutual")
	var want []message
	for i, n := range nodes {
		want = append(want, orderBlock(curlPublish(t, n, "topic:mutual", i), i))
	}
	for _, r := range readers {
		require.Equal(t, want, r.await(2 + len(nodes))[2:])
		r.stop()
	}
	for i, m := range want {
		for _, n := range nodes {
			f := plainFollow(t, n, "topic=mutual", m.ID)
			got, controls := split(f.awaitLive())
			require.Equal(t, hello+" "+live, controls)
			require.Equal(t, want[i+1:], append([]message{}, got...))
			f.stop()
		}
	}
}
