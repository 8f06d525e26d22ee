package integration_test

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The example's page, in a browser, with a stranger's payload that tries to be more than text.
func TestFeedPageShowsPayloadsAsText(t *testing.T) {
	const title = `<img src=x onerror="alert(1)"><script>alert(2)</script>`
	n := startNode(t)
	receiver := startReceiver(t, n.URL)

	ready, shown := make(chan bool, 1), make(chan string, 1)
	startProcess(t, exec.Command("node", "look.mjs", receiver+"/?repo=octo%2Fhello", "li"), func(line string) {
		if line == `{"ready":true}` {
			ready <- true
		} else {
			shown <- line
		}
	})
	receive(t, ready)
	payload, err := json.Marshal(map[string]any{
		"action": "opened", "repository": map[string]any{"full_name": "octo/hello"},
		"sender": map[string]any{"login": "<b>mona</b>", "type": "User"}, "issue": map[string]any{"title": title},
	})
	require.NoError(t, err)
	deliver(t, receiver, delivery{id: "1", event: "issues", payload: payload})

	var page struct {
		Text, HTML, State string
		Alien             int
		Errors            []string
	}
	require.NoError(t, json.Unmarshal([]byte(receive(t, shown)), &page))
	require.Contains(t, page.Text, "issues.opened")
	require.Contains(t, page.Text, "<b>mona</b>: "+title)
	require.Contains(t, page.HTML, "&lt;img src=x")
	require.Equal(t, "Following octo/hello.", page.State)
	require.Zero(t, page.Alien)
	require.Empty(t, page.Errors)
}

// receive returns what comes from a channel, and fails the test if nothing does for a minute.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing happened for a minute")
	}
	return v
}
