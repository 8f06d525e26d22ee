package integration_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page that a node in development mode serves, in a browser: it reads, publishes, shows problems, and whatever comes
// from events is text.
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
		Status, Stored, Event, Refused, Broken, ToTopic, About, Command, Disconnected string

		Alien      int
		Complaints []string
	}
	require.NoError(t, json.Unmarshal([]byte(receive(t, shown)), &page))
	require.Equal(t, "connected", page.Status)
	id, stored := strings.CutPrefix(page.Stored, "stored as ")
	require.True(t, stored, page.Stored)
	position(t, id)
	require.Contains(t, page.Event, "order.created")
	require.Contains(t, page.Event, "user:alice · "+id)
	require.Contains(t, page.Event, strings.ReplaceAll(payload, `"`, `\"`), "as it was published, as text")
	require.Contains(t, page.Refused, "Invalid: invalid type:")
	require.Contains(t, page.Broken, "data is not JSON:")
	require.Contains(t, page.About, "topic:"+topic+" · ")
	require.Contains(t, page.Command, "topic:"+topic)
	require.Equal(t, "not connected", page.Disconnected)
	require.Zero(t, page.Alien, "something of an event has become an element")
	// The browser itself notes every answer that is an error, and there was one.
	require.Equal(t, []string{"Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"}, page.Complaints)
	for _, screenshot := range []string{"light.png", "dark.png"} {
		require.FileExists(t, filepath.Join(folder, screenshot))
	}
}
