package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// The application of the quickstart is as short as it says, and its page is right whatever happens to it.
func TestQuickstartApplication(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "quickstart.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## In your application\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	server, page := codeBlock(t, section, "javascript"), codeBlock(t, section, "html")
	require.Contains(t, section, "in under 50 lines")
	require.Less(t, strings.Count(server+page, "\n"), 50, "all lines, blank ones too")
	for line := range strings.Lines(server + page) {
		require.LessOrEqual(t, len(line), 110)
	}

	n, application := startNode(t), redistest.FreeAddress(t)
	here := strings.NewReplacer("http://localhost:8080", n.URL, "listen(3000, '127.0.0.1')", "listen("+application[strings.LastIndex(application, ":")+1:]+", '127.0.0.1')")
	folder := t.TempDir()
	for name, code := range map[string]string{"server.mjs": server, "page.html": page} {
		require.Contains(t, code, "http://localhost:8080")
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(here.Replace(code)), 0o600))
	}
	backend := exec.Command("node", "server.mjs")
	backend.Dir = folder
	startProcess(t, backend, nil)
	waitFor(t, "http://"+application)
	order := func(item string) {
		t.Helper()
		response, err := httpClient.Post("http://"+application+"/orders", "application/x-www-form-urlencoded", strings.NewReader(fmt.Sprintf(`{"item": %q}`, item)))
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), fmt.Sprintf(`,"version":1,"item":%q}]`, item))
	}

	order("tea")
	tab := startBrowser(t).visit("me", "orders", "http://"+application)
	tab.awaitText("pre", "tea")
	order("<b>milk")
	tab.awaitText("pre", "tea\n<b>milk")
	tab.do("reload")
	tab.awaitText("pre", "tea\n<b>milk")

	// What comes while the page is away is lost with the node.
	tab.do("offline")
	readers(t, n, 0)
	order("bread")
	require.Eventually(t, func() bool { return n.metric("pushstream_events_published_total") == 3 }, patience, 10*time.Millisecond)
	restart(t, n)
	tab.do("online")
	tab.awaitText("pre", "tea\n<b>milk\nbread")
	order("salt")
	tab.awaitText("pre", "tea\n<b>milk\nbread\nsalt")

	// What is refused, or cannot be read, stops nobody.
	for _, body := range []string{"", "null", "{}", "tea"} {
		response, err := httpClient.Post("http://"+application+"/orders", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
	}
}

// The page of README shows what is published, and is told what it misses.
func TestReadmePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	n := startNode(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, strings.ReplaceAll(codeBlock(t, string(text), "html"), "http://localhost:8080", n.URL))
	}))
	t.Cleanup(page.Close)
	tab := startBrowser(t).visit("me", "orders", page.URL)
	readers(t, n, 1)
	tab.run(`console.warn = (...about) => { window.warning = about.join(' ') }, null`)
	n.publish(`{"target": "user:alice", "type": "order.created", "data": {"order": 1}}`)
	tab.awaitText("#orders", "Order 1")
	n.publish(`{"target": "user:alice", "type": "order.created", "data": {"order": 2}}`)
	tab.awaitText("#orders", "Order 1Order 2")
	restart(t, n)
	tab.awaitValue("warning", "fetch the state again of all,user:alice")
}

// The page of the recipe, without and with the client, has what its API says and what events say since, whichever is newer.
func TestLoadThenSubscribePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "recipes", "load-then-subscribe.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```js\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 2)
	// What stays of the first one is what the page says.
	stays := regexp.MustCompile(`(?ms)^let (cursor|source).*?;$|^function (take|connect)\(.*?^}$|^addEventListener.*`).ReplaceAllString(blocks[0][1], "")
	for name, script := range map[string]string{
		"without": "<script>" + blocks[0][1],
		"with":    `<script src="http://localhost:8080/pushstream.js"></script><script>` + stays + blocks[1][1],
	} {
		t.Run(name+" the client", func(t *testing.T) {
			t.Parallel()
			n := startNode(t)
			var state atomic.Pointer[string]
			state.Store(new(`[{"id": 1, "status": "open", "version": 1}]`))
			page := `<ul id="orders"></ul>` + strings.ReplaceAll(script, "http://localhost:8080", n.URL) + "</script>"
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/orders" {
					_, _ = io.WriteString(w, *state.Load())
					return
				}
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, page)
			}))
			t.Cleanup(server.Close)
			tab := startBrowser(t).visit("me", "orders", server.URL)
			tab.awaitText("#orders", "1: open")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 1, "status": "paid", "version": 2}}`)
			tab.awaitText("#orders", "1: paid")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 1, "status": "open", "version": 1}}`)
			n.publish(`{"target": "user:alice", "type": "order.created", "data": {"id": 2, "status": "open", "version": 1}}`)
			tab.awaitText("#orders", "1: paid2: open")
			state.Store(new(`[{"id": 2, "status": "sent", "version": 3}]`))
			n = restart(t, n)
			tab.awaitText("#orders", "2: sent")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 2, "status": "lost", "version": 4}}`)
			tab.awaitText("#orders", "2: lost")
		})
	}
}

// readers waits until a node has so many.
func readers(t *testing.T, n *node, want float64) {
	t.Helper()
	require.Eventually(t, func() bool { return n.metric("pushstream_connections") == want }, patience, 10*time.Millisecond)
}

// codeBlock returns the only block of a page in a language.
func codeBlock(t *testing.T, page, language string) string {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	require.Len(t, blocks, 1)
	return blocks[0][1]
}
