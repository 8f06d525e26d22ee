package integration_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page that a node in development mode serves, in a browser: it reads, publishes, goes on where it was, shows problems, can
// be used by everybody, and whatever comes from events is text.
func TestBuiltInPage(t *testing.T) {
	t.Parallel()
	const (
		payload = `<img src=x onerror="alert(1)"><script>alert(2)</script>'`
		topic   = `<img/src=x/onerror=alert(3)>`
	)
	n := startNode(t)
	folder := t.TempDir()
	shown := make(chan string, 1)
	startProcess(t, exec.Command("node", "page.mjs", n.URL, folder, payload, topic), func(line string) { shown <- line })

	var page struct {
		Status, Began, Stored, Event, Refused, Broken, Resumed, Disconnected, Anew, ToTopic, About, Command, Kept, Gap, Closed string

		Reloaded, Reopened, Afterwards, Barriers, Complaints []string
		Alien                                                int
	}
	for range 2 {
		require.NoError(t, json.Unmarshal([]byte(receive(t, shown)), &page))
	}
	require.Equal(t, "live", page.Status)
	require.Equal(t, "Live, from now on.", page.Began)
	id, stored := strings.CutPrefix(page.Stored, "stored as ")
	require.True(t, stored, page.Stored)
	position(t, id)
	require.Contains(t, page.Event, "order.created")
	require.Contains(t, page.Event, "user:alice · "+id)
	require.Contains(t, page.Event, strings.ReplaceAll(payload, `"`, `\"`), "as it was published, as text")
	require.Contains(t, page.Refused, "Invalid: invalid type:")
	require.Contains(t, page.Broken, "data is not JSON:")

	require.Equal(t, []string{"4", "3", "2"}, page.Reloaded, "what came while the page was loaded again, once each, and nothing older")
	require.Equal(t, "Live, from where the page was before it was loaded again.", page.Resumed)
	require.Equal(t, "closed", page.Disconnected)
	require.Equal(t, []string{"5"}, page.Reopened)
	require.Equal(t, "Live, from now on.", page.Anew)
	require.Equal(t, []string{"7", "5"}, page.Afterwards, "what came before the form was sent is not shown")
	require.Contains(t, page.About, "topic:"+topic+" · ")
	require.Contains(t, page.Command, "topic:"+topic)
	require.Equal(t, topic, page.Kept, "what the form says outlives the page")
	require.Equal(t, "Gap (lost): what you have of all, user:alice, topic:"+topic+" may be out of date. Fetch it again.", page.Gap)
	require.Equal(t, "closed: rejected, status 422", page.Closed)

	require.Empty(t, page.Barriers, "axe-core, at https://dequeuniversity.com/rules/axe, says more")
	require.Zero(t, page.Alien, "something of an event has become an element")
	// The browser itself notes every answer that is an error: to the publish, to the stream, and to the client's question why.
	const noted = "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
	require.Equal(t, []string{noted, noted, noted}, page.Complaints)
	screenshots, err := filepath.Glob(filepath.Join(folder, "*.png"))
	require.NoError(t, err)
	require.Len(t, screenshots, 8)
}
