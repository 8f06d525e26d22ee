package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// What the page computes in bash is what nodes compute.
func TestPartitionsAreThoseOfNodes(t *testing.T) {
	text := pages(t)["../docs/reference/redis.md"]
	_, block, found := strings.Cut(text, "partition() {")
	require.True(t, found)
	code, rest, _ := strings.Cut(block, "```")
	asked := regexp.MustCompile(`(?m)^partition (\S+) (\d+)$`).FindAllStringSubmatch(code, -1)
	shown := regexp.MustCompile(`(?m)^(\S+): \{p(\d+)\}$`).FindAllStringSubmatch(rest, -1)
	require.NotEmpty(t, asked)
	require.Len(t, shown, len(asked))
	for i, a := range asked {
		tenant, err := event.ParseTenant(a[1])
		require.NoError(t, err)
		partitions, err := strconv.Atoi(a[2])
		require.NoError(t, err)
		require.Equal(t, []string{a[1], strconv.Itoa(int(backplane.PartitionOf(tenant, partitions)))}, shown[i][1:])
	}
}

// A backup is restored, older than what readers have seen. Where a node was there all the time, everybody is told; where none
// was, only those whose id the backup does not know.
func TestRestoredBackupIsTold(t *testing.T) {
	bin := build(t)
	for _, test := range []struct {
		name              string
		stays             bool
		toldBefore, after bool
	}{
		{"a node stays", true, true, true},
		{"no node stays", false, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := redistest.Start(t, "repl-diskless-sync-delay 0") // or --rdb waits five seconds
			s := newSession(t, bin)
			s.useRedis(server)
			settings := []string{"PUSHSTREAM_REDIS=redis://" + pageRedis}
			s.startNode(settings)
			before := s.publish(1)
			s.shell("redis-cli --rdb backup.rdb")
			after := s.publish(2)
			if !test.stays {
				s.nodes[pageListen].interrupt()
			}
			dir, ok := server.Do("CONFIG", "GET", "dir").([]any)
			require.True(t, ok)
			server.Kill()
			backup, err := os.ReadFile(filepath.Join(s.dir, "backup.rdb"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(fmt.Sprint(dir[1]), "dump.rdb"), backup, 0o600))
			server.Restart()
			if test.stays {
				require.True(t, s.nodes[pageListen].await(func(text string) bool { return strings.Count(text, "relay vouched for") == 2 }))
			} else {
				delete(s.nodes, pageListen)
				s.startNode(settings)
			}
			require.Equal(t, test.toldBefore, s.toldLost(before))
			require.Equal(t, test.after, s.toldLost(after))
		})
	}
}

// shell runs commands and returns what they print.
func (s *session) shell(text string) string {
	output, err := s.run(step{"sh", text})
	require.NoError(s.t, err, output)
	return output
}

// publish publishes an order for alice, and returns its id.
func (s *session) publish(order int) string {
	answer := s.shell(`curl --fail localhost:8080/events -H 'Content-Type: application/json' ` +
		`-d '{"target": "user:alice", "type": "order.created", "data": ` + strconv.Itoa(order) + `}'`)
	return regexp.MustCompile(`[0-9a-f]{8}\.\d+-\d+`).FindString(answer)
}

// toldLost reports whether a reader that comes back with an id is told that events are lost.
func (s *session) toldLost(id string) bool {
	s.shell("curl -N 'localhost:8080/events?user=alice&lastEventId=" + id + "'")
	return strings.Contains(s.reader.output.String(), `"reason":"lost"`)
}
