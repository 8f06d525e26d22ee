package httpapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/httpapi"
)

// adminNode is one listener on a fake broker.
type adminNode struct {
	node
}

func newAdmin(t *testing.T, token string, core fakeCore) *adminNode {
	t.Helper()
	n := &adminNode{node{health: httpapi.NewHealth(core)}}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") })
	n.serve(t, httpapi.Admin(httpapi.AdminConfig{Token: token, Health: n.health, Metrics: metrics}, slog.New(slog.DiscardHandler)))
	return n
}

func newPublic(t *testing.T, core fakeCore) *adminNode {
	t.Helper()
	n := &adminNode{node{health: httpapi.NewHealth(core)}}
	n.serveAPI(t, httpapi.New(testConfig(), core, refuser{}, n.health, slog.New(slog.DiscardHandler), noMetrics{}))
	return n
}

// get asks for what is not in the OpenAPI file.
func (n *adminNode) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	response, err := n.client.Do(n.request(t, call{method: http.MethodGet, path: path, header: header}))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
	return answer{response.StatusCode, response.Header, string(body)}
}

var adminPaths = []string{"/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol"}

func TestAdminToken(t *testing.T) {
	const token = "0123456789abcdef"
	n := newAdmin(t, token, fakeCore{})
	for _, path := range adminPaths {
		for name, header := range map[string][]string{
			"none":          nil,
			"wrong":         {"Authorization: Bearer 0123456789abcdeg"},
			"begins right":  {"Authorization: Bearer 0123456789abcde"},
			"goes on":       {"Authorization: Bearer 0123456789abcdefg"},
			"empty":         {"Authorization: Bearer "},
			"other scheme":  {"Authorization: Basic " + token},
			"without":       {"Authorization: " + token},
			"in the cookie": {"Cookie: token=" + token},
		} {
			a := n.get(t, path, header...)
			require.Equal(t, http.StatusUnauthorized, a.status, "%s %s", path, name)
			require.Equal(t, "unauthorized", a.problem(t).Code)
			require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		}
		for _, scheme := range []string{"Bearer ", "bearer "} {
			a := n.get(t, path, "Authorization: "+scheme+token, "Host: metrics.example")
			require.Equal(t, http.StatusOK, a.status, path)
			require.NotEmpty(t, a.body)
		}
	}
	require.Equal(t, http.StatusOK, n.get(t, "/livez").status, "supervisors have no token")
	require.Equal(t, http.StatusOK, n.get(t, "/readyz").status)
}

func TestAdminWithoutTokenIsForThisMachine(t *testing.T) {
	n := newAdmin(t, "", fakeCore{})
	for _, path := range adminPaths {
		a := n.get(t, path)
		require.Equal(t, http.StatusOK, a.status, path)
		a = n.get(t, path, "Host: rebound.example")
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.Equal(t, "forbidden", a.problem(t).Code)
	}
	require.Equal(t, "metric 1\n", n.get(t, "/metrics").body)
}

func TestAdminServesNoEvents(t *testing.T) {
	n := newAdmin(t, "", fakeCore{})
	for _, path := range []string{"/events", "/", "/debug/vars"} {
		a := n.get(t, path)
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Equal(t, "http", a.problem(t).Code)
	}
}

func TestPublicListenerHasNoAdministration(t *testing.T) {
	n := newPublic(t, fakeCore{})
	for _, path := range adminPaths {
		require.Equal(t, http.StatusNotFound, n.get(t, path).status, path)
	}
}
