package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// origins says which web origins a node serves whose cors.origins has one.
func origins() map[string]bool {
	return map[string]bool{
		"http://localhost:3000":         true,
		"https://localhost":             true,
		"http://127.0.0.1:5173":         true,
		"http://[::1]:5173":             true,
		"https://app.example":           true,
		"https://app.example:444":       false,
		"http://app.example":            false,
		"https://sub.app.example":       false,
		"https://app.example.evil":      false,
		"https://localhost.evil":        false,
		"http://127.0.0.1.evil":         false,
		"http://192.168.0.1":            false,
		"file://localhost":              false,
		"null":                          false,
		"chrome-extension://abcdefghij": false,
	}
}

func corsNode(s *settings) { s.origins = []string{"https://app.example"} }

func TestWhichOriginsMayRead(t *testing.T) {
	n := newNode(t, corsNode)
	for origin, allowed := range origins() {
		t.Run(origin, func(t *testing.T) {
			a := n.do(t, call{method: http.MethodHead, path: "/events", header: []string{"Origin: " + origin}})
			b := n.publish(t, goodEvent, "Origin: "+origin)
			require.Contains(t, a.header.Values("Vary"), "Origin")
			require.Contains(t, b.header.Values("Vary"), "Origin")
			require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
			if allowed {
				require.Equal(t, http.StatusOK, a.status)
				require.Equal(t, http.StatusOK, b.status)
				require.Equal(t, origin, a.header.Get("Access-Control-Allow-Origin"))
				require.Equal(t, origin, b.header.Get("Access-Control-Allow-Origin"))
				return
			}
			require.Equal(t, http.StatusForbidden, a.status)
			b.refused(t, http.StatusForbidden, "forbidden")
			require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
			require.Empty(t, b.header.Get("Access-Control-Allow-Origin"))
		})
	}
	a := n.do(t, call{method: http.MethodHead, path: "/events"})
	require.Contains(t, a.header.Values("Vary"), "Origin", "caches have to know it without an origin too")
}

// Problems can be read by the pages that events can be read by, and they see when to try again.
func TestProblemsCanBeReadAcrossOrigins(t *testing.T) {
	n := newNode(t, corsNode, func(s *settings) { s.idle = true })
	a := n.do(t, call{method: http.MethodGet, path: "/events", header: []string{"Origin: https://app.example"}})
	a.refused(t, http.StatusServiceUnavailable, "starting")
	require.Equal(t, "https://app.example", a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Retry-After", a.header.Get("Access-Control-Expose-Headers"))
}

func TestPreflight(t *testing.T) {
	n := newNode(t, corsNode)
	for origin, allowed := range origins() {
		t.Run(origin, func(t *testing.T) {
			a := n.do(t, call{method: http.MethodOptions, path: "/events", header: []string{
				"Origin: " + origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: last-event-id",
			}})
			require.Equal(t, http.StatusNoContent, a.status)
			require.Contains(t, a.header.Values("Vary"), "Origin")
			if !allowed {
				require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
				require.Empty(t, a.header.Get("Access-Control-Allow-Headers"))
				return
			}
			require.Equal(t, origin, a.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "600", a.header.Get("Access-Control-Max-Age"))
			headers := strings.Split(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), ",")
			for _, name := range []string{"last-event-id", "content-type", "idempotency-key", "authorization", "cache-control"} {
				require.Contains(t, headers, name)
			}
			require.ElementsMatch(t, []string{"GET", "HEAD", "POST"}, strings.Split(a.header.Get("Access-Control-Allow-Methods"), ","))
		})
	}
}

func TestOptionsWithoutOrigin(t *testing.T) {
	n := newNode(t)
	a := n.do(t, call{method: http.MethodOptions, path: "/events"})
	require.Equal(t, http.StatusNoContent, a.status)
	for _, method := range []string{"GET", "HEAD", "POST"} {
		require.Contains(t, a.header.Get("Allow"), method)
	}
}

func TestOtherMethodsAndPaths(t *testing.T) {
	n := newNode(t)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace} {
		a := n.do(t, call{method: method, path: "/events"})
		a.refused(t, http.StatusMethodNotAllowed, "http")
		require.Contains(t, a.header.Get("Allow"), "POST")
	}
	for _, path := range []string{"/", "/event", "/events/x", "/metrics", "/..%2fevents"} {
		n.do(t, call{method: http.MethodGet, path: path}).refused(t, http.StatusNotFound, "http")
	}
}

func TestInsecureServesEverybody(t *testing.T) {
	n := newNode(t, func(s *settings) { s.insecure = true })
	r, _ := n.live(t, "user=alice", "Host: events.example", "Origin: https://elsewhere.example", "X-Forwarded-For: 192.0.2.1")
	require.Equal(t, "https://elsewhere.example", r.response.Header.Get("Access-Control-Allow-Origin"))
	id := n.published(t, goodEvent, "Host: events.example", "Origin: https://elsewhere.example")
	require.Equal(t, id, r.next(t).ID)
}
