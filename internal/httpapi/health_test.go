package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/broker"
)

// TestHealth checks both listeners in every state of a node.
func TestHealth(t *testing.T) {
	for name, state := range map[string]struct {
		core fakeCore
		code string
		do   func(*adminNode)
	}{
		"starting":           {core: fakeCore{ready: broker.ErrStarting}, code: "starting"},
		"ready":              {},
		"about to drain":     {code: "draining", do: func(a *adminNode) { a.health.Drain() }},
		"draining":           {core: fakeCore{ready: broker.ErrDraining}, code: "draining"},
		"stopped at a start": {core: fakeCore{ready: broker.ErrStarting}, code: "draining", do: func(a *adminNode) { a.health.Drain() }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []*adminNode{newAdmin(t, "", state.core), newPublic(t, state.core)} {
				if state.do != nil {
					state.do(n)
				}
				a := n.do(t, call{method: http.MethodGet, path: "/livez"})
				require.Equal(t, http.StatusOK, a.status)
				require.Equal(t, "alive\n", a.body)
				a = n.do(t, call{method: http.MethodGet, path: "/readyz"})
				if state.code == "" {
					require.Equal(t, http.StatusOK, a.status)
					require.Equal(t, "ready\n", a.body)
					continue
				}
				a.refused(t, http.StatusServiceUnavailable, state.code)
				require.NotEmpty(t, a.header.Get("Retry-After"))
			}
		})
	}
}

func TestStartingNode(t *testing.T) {
	n := newNode(t, func(s *settings) { s.idle = true })
	n.do(t, call{method: http.MethodGet, path: "/readyz"}).refused(t, http.StatusServiceUnavailable, "starting")
	n.do(t, call{method: http.MethodGet, path: "/events"}).refused(t, http.StatusServiceUnavailable, "starting")
	require.Equal(t, http.StatusServiceUnavailable, n.do(t, call{method: http.MethodHead, path: "/events"}).status)
	r := n.open(t, "user=alice")
	r.farewell(t, "unavailable")
	r.close()
	r = n.open(t, "user=alice&envelope=1")
	r.farewellIn(t, "unavailable")
	r.close()
	n.run(t)
	require.Equal(t, http.StatusOK, n.do(t, call{method: http.MethodGet, path: "/readyz"}).status)
	n.live(t, "user=alice")
}
