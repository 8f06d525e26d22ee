package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPage(t *testing.T) {
	cfg := testConfig()
	cfg.Page = true
	n := &adminNode{}
	n.serve(t, newAPI(cfg, fakeCore{}).Handler())
	for path, mediaType := range map[string]string{"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"} {
		a := n.get(t, path)
		require.Equal(t, http.StatusOK, a.status, path)
		require.True(t, strings.HasPrefix(a.header.Get("Content-Type"), mediaType), "%s: nosniff would refuse it", path)
		policy := a.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotContains(t, policy, "unsafe")
	}
	require.NotContains(t, n.get(t, "/").body, "<script>", "the policy would refuse it")
	n.do(t, call{method: http.MethodGet, path: "/page/index.html"}).refused(t, http.StatusNotFound, "http")
}

func TestNoPage(t *testing.T) {
	n := newPublic(t, fakeCore{})
	n.do(t, call{method: http.MethodGet, path: "/"}).refused(t, http.StatusNotFound, "http")
}
