package integration_test

import (
	"encoding/json"
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
	b := show(t, "http://"+application, "pre")
	b.await("tea")
	order("<b>milk")
	b.await("tea\n<b>milk")
	b.tell("reload")
	b.await("tea\n<b>milk")

	// What comes while the page is away is lost with the node.
	b.tell("offline")
	readers(t, n, 0)
	order("bread")
	require.Eventually(t, func() bool { return n.metric("pushstream_events_published_total") == 3 }, patience, 10*time.Millisecond)
	restart(t, n)
	b.tell("online")
	b.await("tea\n<b>milk\nbread")
	order("salt")
	b.await("tea\n<b>milk\nbread\nsalt")

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
	b := show(t, page.URL, "#orders")
	readers(t, n, 1)
	n.publish(`{"target": "user:alice", "type": "order.created", "data": {"order": 1}}`)
	b.await("Order 1")
	n.publish(`{"target": "user:alice", "type": "order.created", "data": {"order": 2}}`)
	b.await("Order 1Order 2")
	restart(t, n)
	b.until(func(s said) bool { return strings.HasPrefix(s.Warns, "fetch the state again of [") })
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
			b := show(t, server.URL, "#orders")
			b.await("1: open")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 1, "status": "paid", "version": 2}}`)
			b.await("1: paid")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 1, "status": "open", "version": 1}}`)
			n.publish(`{"target": "user:alice", "type": "order.created", "data": {"id": 2, "status": "open", "version": 1}}`)
			b.await("1: paid2: open")
			state.Store(new(`[{"id": 2, "status": "sent", "version": 3}]`))
			n = restart(t, n)
			b.await("2: sent")
			n.publish(`{"target": "user:alice", "type": "order.changed", "data": {"id": 2, "status": "lost", "version": 4}}`)
			b.await("2: lost")
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

// shown is a page in a browser.
type shown struct {
	*process

	lines chan string
	shows string
}

// said is a line of show.mjs.
type said struct {
	Shows             *string
	Did, Warns, Error string
}

// show opens a page that may complain of nothing but the network.
func show(t *testing.T, url, selector string) *shown {
	t.Helper()
	lines := make(chan string, 1000)
	return &shown{
		process: startProcess(t, exec.Command("node", "show.mjs", url, selector), func(line string) { lines <- line }),
		lines:   lines,
	}
}

// tell says what has to happen, and waits until it has.
func (s *shown) tell(what string) {
	s.t.Helper()
	if what == "reload" {
		s.shows = "" // nothing yet
	}
	_, err := io.WriteString(s.stdin, what+"\n")
	require.NoError(s.t, err)
	s.until(func(said said) bool { return said.Did == what })
}

// await waits until the page shows a text.
func (s *shown) await(text string) {
	s.t.Helper()
	if s.shows != text {
		s.until(func(said) bool { return s.shows == text })
	}
}

// until takes what show.mjs says until something holds.
func (s *shown) until(good func(said) bool) {
	s.t.Helper()
	for {
		var last said
		line := receive(s.t, s.lines)
		require.NoError(s.t, json.Unmarshal([]byte(line), &last), line)
		if last.Shows != nil {
			s.shows = *last.Shows
		}
		if last.Error != "" && !strings.Contains(last.Error, "net::ERR_") {
			s.t.Errorf("the browser complains: %s", last.Error)
		}
		if good(last) {
			return
		}
	}
}
