package integration_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the client's README shows for React and for Vue has one connection in a browser, where React mounts it twice in
// development too, shows what is published, and has none when it is unmounted.
func TestFrameworksInChromium(t *testing.T) {
	t.Parallel()
	pages := t.TempDir()
	build := exec.CommandContext(t.Context(), "npx", "vite", "build", "test/browser", "--config", "test/browser/vite.config.ts", "--mode", "development", "--outDir", pages)
	build.Dir = filepath.Join("..", "clients", "js")
	build.Env = append(os.Environ(), "NODE_ENV=development")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	for page, unmount := range map[string]string{
		"react": "unmount()",
		"vue":   "document.querySelector('#app').__vue_app__.unmount()",
	} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			n := startNode(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, err := os.ReadFile(filepath.Join(pages, filepath.FromSlash(r.URL.Path)))
				if err != nil {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", map[string]string{".html": "text/html", ".js": "text/javascript"}[path.Ext(r.URL.Path)])
				_, _ = io.WriteString(w, strings.ReplaceAll(string(text), "https://events.example.com", n.URL))
			}))
			t.Cleanup(server.Close)
			tab := startBrowser(t).visit(page, page, server.URL+"/"+page+".html")
			tab.awaitText("p", "Last order: ")
			readers(t, n, 1)
			n.publish(`{"target": "topic:shop", "type": "order.created", "data": {"order": 7}}`)
			tab.awaitText("p", "Last order: 7")
			require.InDelta(t, 1, n.metric("pushstream_connections_opened_total"), 0)
			tab.run(unmount)
			readers(t, n, 0)
		})
	}
}
