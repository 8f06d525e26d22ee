package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

const shopKey = "an integration test's key of more than thirty-two bytes"

// guarded are the settings of nodes that authenticate, in a file.
func guarded(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "auth.yaml")
	text := fmt.Sprintf("auth:\n  secret: %q\n  cookie: pushstream\n  keys: [{name: shop, key: %q}]\ncors: {origins: ['https://app.example']}\n", authSecret, keyText())
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// keyText is a key as it is sent: visible characters only.
func keyText() string { return strings.NewReplacer(" ", "-", "'", "").Replace(shopKey) }

// pushstreamd runs a command of the program that a node runs, and returns what it prints.
func (n *node) pushstreamd(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), n.cmd.Path, args...)
	cmd.Env = append(os.Environ(), "PUSHSTREAM_ADMIN="+strings.TrimPrefix(n.AdminURL, "http://"))
	text, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), string(text))
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// token mints a token by the command.
func (n *node) token(t *testing.T, file string, args ...string) string {
	t.Helper()
	text, code := n.pushstreamd(t, append([]string{"token", "--config", file}, args...)...)
	require.Zero(t, code, text)
	return strings.TrimSpace(text)
}

// watching is a stream of which all is kept.
type watching struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended chan struct{}
}

// watch opens a stream, and reads it to its end.
func (n *node) watch(t *testing.T, query string, header http.Header) *watching {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/events?"+query, http.NoBody)
	require.NoError(t, err)
	request.Header = header
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request) //nolint:bodyclose // the reading goroutine closes it
	require.NoError(t, err)
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	}
	w := &watching{ended: make(chan struct{})}
	go func() { // ends with the stream, or with the test
		defer close(w.ended)
		defer response.Body.Close()
		_, _ = io.Copy(w, response.Body)
	}()
	t.Cleanup(func() { response.Body.Close(); <-w.ended })
	w.await(t, "pushstream.live")
	return w
}

// Write keeps what came.
func (w *watching) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

// String returns all that came.
func (w *watching) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *watching) await(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(w.String(), text) }, patience, 5*time.Millisecond, "%s has not come", text)
}

func withToken(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// statusOf returns how a request for a stream is answered.
func (n *node) statusOf(t *testing.T, header http.Header) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, n.URL+"/events", http.NoBody)
	require.NoError(t, err)
	request.Header = header
	response, err := httpClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// shops publishes with the key.
func (n *node) shops(t *testing.T, target, data string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/events",
		strings.NewReader(fmt.Sprintf(`{"target": %q, "type": "order.created", "data": "%s"}`, target, data)))
	require.NoError(t, err)
	request.Header = withToken(keyText())
	request.Header.Set("Content-Type", "application/json")
	response, err := httpClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
}

// A user reads on three nodes, by header, cookie and ticket, with two browsers each. She is logged out at one of them: all her
// streams end, with the reason, and her token does nothing any more: not there, not on a node whose relay was cut at that
// moment, not on one that is started later, and not after Redis was restarted. Others read on, and she may log in again.
func TestLogoutEverywhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, durable...)
	file := guarded(t)
	args := []string{"--config", file, "--redis", server.URL()}
	var nodes []*node
	for _, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, startNode(t, append([]string{"--node", name}, args...)...))
	}
	token, bob := nodes[0].token(t, file, "--user", "alice"), nodes[0].token(t, file, "--user", "bob")
	cookie := http.Header{"Cookie": {"pushstream=" + token}, "Origin": {"https://app.example"}}
	var streams, others []*watching
	for i, n := range nodes {
		streams = append(streams, n.watch(t, "", withToken(token)), n.watch(t, "", cookie), n.watch(t, "ticket="+nodes[(i+1)%3].ticketFor(t, token), nil))
		others = append(others, n.watch(t, "", withToken(bob)))
	}
	nodes[1].shops(t, "user:alice", "to alice")
	for _, w := range streams {
		w.await(t, "to alice")
	}
	list, code := nodes[2].pushstreamd(t, "admin", "connections", "--user", "alice")
	require.Zero(t, code, list)
	require.Equal(t, 10, strings.Count(list, "\n"), list)

	// The next second: a token of the same second as the logout is refused too.
	nextSecond(t)
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	text, code := nodes[1].pushstreamd(t, "admin", "logout", "--user", "alice")
	require.Zero(t, code, text)
	require.Regexp(t, `^ended \d\nrefused until `, text)
	for i, w := range streams {
		select {
		case <-w.ended:
		case <-time.After(patience):
			require.Fail(t, "a stream goes on", "%d: %s", i, w)
		}
		require.True(t, strings.HasSuffix(w.String(), "event: pushstream.bye\ndata: {\"reason\":\"revoked\"}\n\n"), "%d: %s", i, w)
	}
	late := startNode(t, append([]string{"--node", "late"}, args...)...)
	for _, n := range append(nodes, late) {
		require.Equal(t, http.StatusUnauthorized, n.statusOf(t, withToken(token)))
		require.Equal(t, http.StatusOK, n.statusOf(t, withToken(bob)))
	}
	nodes[0].shops(t, "user:bob", "to bob")
	for _, w := range others {
		w.await(t, "to bob")
	}

	server.Kill()
	server.Restart()
	later := startNode(t, append([]string{"--node", "later"}, args...)...)
	require.Equal(t, http.StatusUnauthorized, later.statusOf(t, withToken(token)))

	nextSecond(t)
	again := nodes[0].token(t, file, "--user", "alice")
	for _, n := range append(nodes, late, later) {
		require.Equal(t, http.StatusOK, n.statusOf(t, withToken(again)), "she may log in again")
	}
}

// ticketFor gets a ticket at a node.
func (n *node) ticketFor(t *testing.T, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/tickets", http.NoBody)
	require.NoError(t, err)
	request.Header = withToken(token)
	response, err := httpClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, response.StatusCode, string(body))
	text, found := strings.CutPrefix(string(body), `{"ticket":"`)
	require.True(t, found)
	return text[:26]
}

// nextSecond returns when the clock shows another second: tokens are dated in whole ones.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now().Unix()
	require.Eventually(t, func() bool { return time.Now().Unix() > now }, 2*time.Second, 10*time.Millisecond)
}

// A ticket is used up on all nodes at once, whoever is first.
func TestATicketIsGoodOnceOnAllNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	file := guarded(t)
	var nodes []*node
	for _, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, startNode(t, "--node", name, "--config", file, "--redis", server.URL()))
	}
	token := nodes[0].token(t, file, "--user", "alice")
	for range 5 {
		ticket := nodes[0].ticketFor(t, token)
		answers := make(chan int, 12)
		var all sync.WaitGroup
		for i := range 12 {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, nodes[i%3].URL+"/events?ticket="+ticket, http.NoBody)
			require.NoError(t, err)
			all.Go(func() {
				response, err := httpClient.Do(request)
				if err != nil {
					answers <- 0
					return
				}
				answers <- response.StatusCode
				_ = response.Body.Close()
			})
		}
		all.Wait()
		close(answers)
		count := map[int]int{}
		for status := range answers {
			count[status]++
		}
		require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 11}, count)
	}
}

// What an administrator asks a node about all of them, and tells it to do itself.
func TestAdministrationOfNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	file := guarded(t)
	nodes := []*node{
		startNode(t, "--node", "one", "--config", file, "--redis", server.URL()),
		startNode(t, "--node", "two", "--config", file, "--redis", server.URL()),
	}
	list, code := nodes[0].pushstreamd(t, "admin", "nodes")
	require.Zero(t, code, list)
	require.Regexp(t, `(?s)NODE .*\none +0 .* yes\ntwo +0 .* yes\n$`, list)

	token := nodes[0].token(t, file, "--user", "alice")
	w := nodes[1].watch(t, "", withToken(token))
	nodes[0].shops(t, "user:alice", "first")
	nodes[0].shops(t, "user:alice", "\u009b2Jsecond\u2028")
	log, code := nodes[1].pushstreamd(t, "admin", "log", "--target", "user:alice")
	require.Zero(t, code, log)
	require.Regexp(t, `(?s)ID .*"first"\n.*second\\u2028"\n$`, log)
	require.NotContains(t, log, "\u009b", "no event gives orders to a terminal")

	text, code := nodes[0].pushstreamd(t, "admin", "end", "--user", "alice")
	require.Zero(t, code, text)
	require.Equal(t, "ended 1\n", text)
	<-w.ended
	require.Contains(t, w.String(), `{"reason":"ended","reconnect_ms":`)
	require.Equal(t, http.StatusOK, nodes[1].statusOf(t, withToken(token)), "it may come back")

	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(token+"\n"), 0o600))
	text, code = nodes[0].pushstreamd(t, "admin", "refuse", "--token-file", tokenFile)
	require.Zero(t, code, text)
	require.Equal(t, http.StatusUnauthorized, nodes[1].statusOf(t, withToken(token)))
	require.Equal(t, http.StatusOK, nodes[1].statusOf(t, withToken(nodes[0].token(t, file, "--user", "alice"))), "one token, not its user")

	text, code = nodes[0].pushstreamd(t, "admin", "ready", "--is=false")
	require.Zero(t, code, text)
	require.Equal(t, http.StatusServiceUnavailable, nodes[0].status("/readyz"))
	list, _ = nodes[1].pushstreamd(t, "admin", "nodes")
	require.Regexp(t, `one .* no: an administrator has taken this node off`, list)
	text, code = nodes[0].pushstreamd(t, "admin", "ready")
	require.Zero(t, code, text)
	require.Equal(t, http.StatusOK, nodes[0].status("/readyz"))

	text, code = nodes[0].pushstreamd(t, "admin", "drain")
	require.Zero(t, code, text)
	require.Zero(t, nodes[0].exitCode())
	text, code = nodes[0].pushstreamd(t, "admin", "nodes")
	require.Equal(t, 4, code, text)
	list, code = nodes[1].pushstreamd(t, "admin", "nodes")
	require.Zero(t, code, list)
	require.NotContains(t, list, "one")
}

func TestCommandsExitAsDocumented(t *testing.T) {
	t.Parallel()
	file := guarded(t)
	n := startNode(t, "--config", file, "--admin-token", "0123456789abcdef")
	for _, c := range []struct {
		args string
		code int
	}{
		{"admin nodes", 3},
		{"admin nodes --admin-token 0123456789abcdef", 0},
		{"admin nodes --admin-token 0123456789abcdeX", 3},
		{"admin nodes --admin 127.0.0.1:1", 4},
		{"admin end --admin-token 0123456789abcdef", 2}, // of whom?
		{"admin end --usr x", 2},
		{"admin", 2},
		{"publish user:alice order.created 1 --url " + n.URL, 3},
		{"publish user:alice order.created 1 --token " + keyText() + " --url " + n.URL, 0},
		{"publish alice order.created 1 --token " + keyText() + " --url " + n.URL, 2},
		{"tail --url " + n.URL, 3},
		{"token --user alice", 2},
		{"token --user alice --config " + file, 0},
		{"completion bash", 0},
		{"completion zsh", 0},
		{"completion fish", 0},
		{"completion fisch", 2},
	} {
		text, code := n.pushstreamd(t, strings.Fields(c.args)...)
		require.Equal(t, c.code, code, "%s: %s", c.args, text)
	}
}
