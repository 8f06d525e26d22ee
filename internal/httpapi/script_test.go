package httpapi_test

import (
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func embedded(t *testing.T) string {
	t.Helper()
	file, err := os.ReadFile("pushstream.js")
	require.NoError(t, err)
	return string(file)
}

func getScript(t *testing.T, n *node, header ...string) answer {
	t.Helper()
	return n.do(t, call{method: http.MethodGet, path: "/pushstream.js", header: header})
}

func TestScript(t *testing.T) {
	file := embedded(t)
	n := newNode(t)
	a := getScript(t, n)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, file, a.body)
	require.Equal(t, "text/javascript; charset=utf-8", a.header.Get("Content-Type"), "nosniff would refuse it otherwise")
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.Equal(t, strconv.Itoa(len(file)), a.header.Get("Content-Length"))
	require.Equal(t, "no-cache", a.header.Get("Cache-Control"))
	require.Equal(t, "cross-origin", a.header.Get("Cross-Origin-Resource-Policy"))
	require.NotContains(t, a.header, "Set-Cookie")

	head := n.do(t, call{method: http.MethodHead, path: "/pushstream.js"})
	require.Equal(t, http.StatusOK, head.status)
	require.Empty(t, head.body)
	for _, h := range []http.Header{a.header, head.header} {
		h.Del("Date")
	}
	require.Equal(t, a.header, head.header)

	n.do(t, call{method: http.MethodPost, path: "/pushstream.js"}).refused(t, http.StatusMethodNotAllowed, "http")
}

func TestScriptIsSentOnce(t *testing.T) {
	n := newNode(t)
	a := getScript(t, n)
	tag := a.header.Get("ETag")
	require.Regexp(t, `^"[\w-]{43}"$`, tag)
	require.Equal(t, tag, getScript(t, newNode(t)).header.Get("ETag"), "another node of the same release")
	inner := tag[1 : len(tag)-1]
	for _, known := range []string{tag, "W/" + tag, `"` + inner + `-gzip"`, `"other", ` + tag, "*"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			b := n.do(t, call{method: method, path: "/pushstream.js", header: []string{"If-None-Match: " + known}})
			require.Equal(t, http.StatusNotModified, b.status, known)
			require.Empty(t, b.body)
			for _, name := range []string{"ETag", "Cache-Control", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy"} {
				require.Equal(t, a.header.Get(name), b.header.Get(name), name)
			}
			require.NotContains(t, b.header, "Content-Type")
		}
	}
	twice := getScript(t, n, `If-None-Match: "other"`, "If-None-Match: "+tag)
	require.Equal(t, http.StatusNotModified, twice.status)
	for _, other := range []string{`"other"`, "", `"` + inner[1:] + `"`} {
		require.Equal(t, http.StatusOK, getScript(t, n, "If-None-Match: "+other).status, other)
	}
}

// It is for pages of every origin, whoever may read events, and whoever it is that asks: so it is the same for all.
func TestScriptIsForEverybody(t *testing.T) {
	for name, change := range map[string]func(*settings){"development": corsNode, "authentication": withTokens} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, change)
			same := getScript(t, n)
			require.Equal(t, "*", same.header.Get("Access-Control-Allow-Origin"))
			for _, header := range []string{
				"Origin: https://app.example", "Origin: https://elsewhere.example", "Origin: null", "Host: events.example", "X-Forwarded-For: 192.0.2.1",
				"Cookie: pushstream=nonsense", "Authorization: Bearer nonsense",
			} {
				a := getScript(t, n, header)
				require.Equal(t, http.StatusOK, a.status, header)
				a.header.Set("Date", same.header.Get("Date"))
				require.Equal(t, same.header, a.header, header)
			}
			require.NotContains(t, same.header, "Vary", "caches need one copy")
			require.NotContains(t, same.header, "Access-Control-Allow-Credentials", "no browser takes it with *")
		})
	}
}
