package httpapi_test

import (
	"net/http"
	"regexp"
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
	index := n.get(t, "/").body
	require.NotContains(t, index, "<script>", "the policy would refuse it")
	named := regexp.MustCompile(`(?:src|href)="([\w.]+)"`).FindAllStringSubmatch(index, -1)
	require.Len(t, named, 3)
	for _, m := range named {
		require.Equal(t, http.StatusOK, n.get(t, "/"+m[1]).status, m[1])
	}
	n.do(t, call{method: http.MethodGet, path: "/page/index.html"}).refused(t, http.StatusNotFound, "http")
}

func TestNoPage(t *testing.T) {
	n := newPublic(t, fakeCore{})
	n.do(t, call{method: http.MethodGet, path: "/"}).refused(t, http.StatusNotFound, "http")
}
