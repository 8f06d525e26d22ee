package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// orders notes what it is told, and answers the same to all.
type orders struct {
	last    string
	refusal auth.Refusal
	err     error
}

func (o *orders) Nodes(context.Context) ([]admin.Node, bool, error) {
	o.last = "nodes"
	return []admin.Node{{Name: "a", Version: "v", Ready: true, Connections: 3}}, true, o.err
}

func (o *orders) Connections(_ context.Context, log event.LogName) (admin.Connections, error) {
	o.last = "connections " + log.String()
	return admin.Connections{List: []admin.Connection{{Node: "a", Connection: "1", User: "alice", Targets: []string{"all"}, State: "live"}}, Total: 1, Complete: true}, o.err
}

func (o *orders) End(_ context.Context, log event.LogName) (int, bool, error) {
	o.last = "end " + log.String()
	return 2, false, o.err
}

func (o *orders) EndConnection(_ context.Context, tenant event.Tenant, connection string) (int, bool, error) {
	o.last = "end connection " + tenant.String() + " " + connection
	return 1, true, o.err
}

func (o *orders) Refuse(_ context.Context, r auth.Refusal) (int, bool, error) {
	o.last, o.refusal = "refuse", r
	return 1, true, o.err
}

func (o *orders) Log(_ context.Context, log event.LogName, after event.Position, limit int) (admin.Entries, error) {
	o.last = "log " + log.String()
	if !after.IsZero() {
		o.last += " after " + after.String()
	}
	at, err := event.NewPosition("t", uint64(limit), 0)
	if err != nil {
		return admin.Entries{}, err
	}
	kind, err := event.ParseType("order.created")
	if err != nil {
		return admin.Entries{}, err
	}
	data, err := event.ParseJSON([]byte(`{"x": 1}`))
	if err != nil {
		return admin.Entries{}, err
	}
	entry := backplane.Entry{Log: log, Position: at, Event: event.Event{Type: kind, Data: data}}
	return admin.Entries{Entries: []backplane.Entry{entry}, Head: at, Gap: event.GapTrimmed, More: true}, o.err
}

func newConsole(t *testing.T) (*adminNode, *orders, *int) {
	t.Helper()
	o, drained := &orders{}, 0
	n := &adminNode{node{health: httpapi.NewHealth(fakeCore{})}}
	n.serve(t, httpapi.Admin(httpapi.AdminConfig{
		Health: n.health, All: o, Metrics: http.NotFoundHandler(),
		Verify: func(_ context.Context, token string) (auth.Principal, error) {
			if token != "good" {
				return auth.Principal{}, auth.ErrInvalidToken
			}
			return auth.Principal{Tenant: event.DefaultTenant(), TokenID: "id", Expires: time.Unix(1e10, 0)}, nil
		},
		Drain: func() { drained++ },
	}, slog.New(slog.DiscardHandler)))
	return n, o, &drained
}

func (n *adminNode) post(t *testing.T, path, body string, header ...string) answer {
	t.Helper()
	response, err := n.client.Do(n.request(t, call{method: http.MethodPost, path: path, body: body, header: header}))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(text)}
}

func TestAdministrationAsks(t *testing.T) {
	n, o, _ := newConsole(t)
	for path, want := range map[string]struct{ told, body string }{
		"/admin/nodes":                                          {"nodes", `{"nodes":[{"node":"a","version":"v","started":"0001-01-01T00:00:00Z","ready":true,"connections":3}],"complete":true}`},
		"/admin/connections?user=alice":                         {"connections default/user:alice", `{"connections":[{"node":"a","connection":"1","user":"alice","address":"","opened":"0001-01-01T00:00:00Z","targets":["all"],"state":"live"}],"total":1,"complete":true}`},
		"/admin/connections?session=s&tenant=acme":              {"connections acme/session:s", ""},
		"/admin/log?target=topic:news":                          {"log default/topic:news", `{"target":"topic:news","events":[{"id":"t.100-0","type":"order.created","data":{"x":1},"time":"1970-01-01T00:00:00.1Z"}],"head":"t.100-0","gap":"trimmed","more":true}`},
		"/admin/log?target=all&tenant=acme&after=t.5-0&limit=7": {"log acme/all after t.5-0", ""},
	} {
		a := n.get(t, path)
		require.Equal(t, http.StatusOK, a.status, "%s: %s", path, a.body)
		require.Equal(t, want.told, o.last, path)
		if want.body != "" {
			require.JSONEq(t, want.body, a.body, path)
		}
	}
}

func TestAdministrationOrders(t *testing.T) {
	n, o, drained := newConsole(t)
	for _, c := range []struct{ path, body, told, answer string }{
		{"/admin/end", `{"user":"alice"}`, "end default/user:alice", `{"ended":2,"complete":false}`},
		{"/admin/end", `{"tenant":"acme","session":"s"}`, "end acme/session:s", ""},
		{"/admin/end", `{"connection":"C"}`, "end connection default C", `{"ended":1,"complete":true}`},
		{"/admin/logout", `{"user":"alice"}`, "refuse", ""},
		{"/admin/refuse", `{"token":"good"}`, "refuse", `{"ended":1,"complete":true,"refused_until":"2286-11-20T17:46:40Z"}`},
		{"/admin/refuse", `{"token_id":"id","for":"1h"}`, "refuse", ""},
	} {
		a := n.post(t, c.path, c.body)
		require.Equal(t, http.StatusOK, a.status, "%s %s: %s", c.path, c.body, a.body)
		require.Equal(t, c.told, o.last)
		if c.answer != "" {
			require.JSONEq(t, c.answer, strings.ReplaceAll(a.body, time.Unix(1e10, 0).Format(time.RFC3339), "2286-11-20T17:46:40Z"))
		}
	}
	require.Empty(t, o.refusal.Target)
	require.Equal(t, http.StatusOK, n.post(t, "/admin/logout", `{"user":"alice","tenant":"acme","for":"48h"}`).status)
	require.Equal(t, "user:alice", o.refusal.Target.String())
	require.Equal(t, "acme", o.refusal.Tenant.String())
	require.Equal(t, 48*time.Hour, o.refusal.Until.Sub(o.refusal.Before))
	require.WithinDuration(t, time.Now(), o.refusal.Before, time.Minute)

	require.Equal(t, http.StatusNoContent, n.post(t, "/admin/ready", `{"ready":false}`).status)
	a := n.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "held", a.problem(t).Code)
	require.Equal(t, http.StatusNoContent, n.post(t, "/admin/ready", `{"ready":true}`).status)
	require.Equal(t, http.StatusOK, n.get(t, "/readyz").status)

	require.Equal(t, http.StatusAccepted, n.post(t, "/admin/drain", "").status)
	require.Equal(t, 1, *drained)
}

// What is misspelt, doubled or half said would be done to somebody else.
func TestAdministrationRefusesWhatIsNotClear(t *testing.T) {
	n, o, drained := newConsole(t)
	for _, c := range []struct{ path, body string }{
		{"/admin/end", ``},
		{"/admin/end", `{}`},
		{"/admin/end", `[]`},
		{"/admin/end", `{"user":"a","session":"b"}`},
		{"/admin/end", `{"user":"a","connection":"b"}`},
		{"/admin/end", `{"usr":"a"}`},
		{"/admin/end", `{"user":"a b"}`},
		{"/admin/end", `{"user":"*"}`},
		{"/admin/end", `{"user":"a"}{"user":"b"}`},
		{"/admin/end", `{"user":"a","for":"1h"}`},
		{"/admin/end", `{"tenant":"a/b","user":"a"}`},
		{"/admin/logout", `{}`},
		{"/admin/logout", `{"user":"a","for":"1000h"}`},
		{"/admin/logout", `{"user":"a","for":"x"}`},
		{"/admin/logout", `{"connection":"a"}`},
		{"/admin/refuse", `{}`},
		{"/admin/refuse", `{"token":"good","token_id":"x"}`},
		{"/admin/refuse", `{"token":"bad"}`},
		{"/admin/refuse", `{"user":"a"}`},
		{"/admin/ready", `{}`},
		{"/admin/ready", `{"ready":"yes"}`},
		{"/admin/end", `{"user":"` + strings.Repeat("a", 20<<10) + `"}`},
	} {
		a := n.post(t, c.path, c.body)
		require.GreaterOrEqual(t, a.status, 400, "%s %s", c.path, c.body)
		require.Less(t, a.status, 500, "%s %s: %s", c.path, c.body, a.body)
		require.NotEqual(t, http.StatusUnauthorized, a.status, "the caller's own credential is in order")
		require.NotEmpty(t, a.problem(t).Code)
	}
	for _, path := range []string{
		"/admin/connections", "/admin/connections?user=a&session=b", "/admin/connections?user=a%20b", "/admin/log", "/admin/log?target=x",
		"/admin/log?target=all&limit=0", "/admin/log?target=all&limit=1001", "/admin/log?target=all&limit=x", "/admin/log?target=all&after=x", "/admin/log?target=all&tenant=a%2Fb",
	} {
		a := n.get(t, path)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s: %s", path, a.body)
	}
	require.Empty(t, o.last)
	require.Zero(t, *drained)
}

// Without a token the listener is for this machine; a page that is open on it must not administer.
func TestAdministrationTakesNoOrdersOfPages(t *testing.T) {
	n, o, drained := newConsole(t)
	for _, header := range [][]string{{"Origin: https://evil.example"}, {"Origin: null"}, {"Host: rebound.example"}} {
		for _, path := range []string{"/admin/drain", "/admin/logout", "/admin/ready"} {
			a := n.post(t, path, `{"user":"alice","ready":false}`, header...)
			require.Equal(t, http.StatusForbidden, a.status, "%s %v", path, header)
		}
	}
	require.Empty(t, o.last)
	require.Zero(t, *drained)
}

func TestAdministrationSaysThatTheBackplaneIsAway(t *testing.T) {
	n, o, _ := newConsole(t)
	o.err = backplane.ErrUnavailable
	for _, path := range []string{"/admin/nodes", "/admin/connections?user=a", "/admin/log?target=all"} {
		require.Equal(t, http.StatusServiceUnavailable, n.get(t, path).status, path)
	}
	for _, path := range []string{"/admin/end", "/admin/logout"} {
		a := n.post(t, path, `{"user":"a"}`)
		require.Equal(t, http.StatusServiceUnavailable, a.status, path)
		var problem struct{ Detail string }
		require.NoError(t, json.Unmarshal([]byte(a.body), &problem))
		require.NotEmpty(t, problem.Detail)
	}
}

// An order that could be read in two ways is carried out on nobody.
func TestOrdersAreUnambiguous(t *testing.T) {
	n, o, _ := newConsole(t)
	for _, body := range []string{
		`{"user":"alice","user":"bob"}`, `{"user":"alice","User":"bob"}`, `{"USER":"alice"}`, `{"\u017fession":"s"}`,
		`{"user":"a\ud800"}`, `{"user":"a\ufffd"}`,
	} {
		n.post(t, "/admin/logout", body).refused(t, http.StatusUnprocessableEntity, "invalid")
		require.Empty(t, o.last, body)
	}
	n.post(t, "/admin/logout", "{\"user\":\"a\xff\"}").refused(t, http.StatusBadRequest, "invalid_json")
	require.Empty(t, o.last)
	n.post(t, "/admin/logout", `{"user":"\u0061lice"}`).mustBe(t, http.StatusOK)
	require.Equal(t, "user:alice", o.refusal.Target.String())
}

func TestAnOrderThatBreaksOffIsItsSendersFault(t *testing.T) {
	n, o, _ := newConsole(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /admin/end HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 400 Bad Request\r\n", line)
	require.Empty(t, o.last)
}
