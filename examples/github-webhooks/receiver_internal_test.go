package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const secret = "It's a Secret to Everybody"

// pushstream answers every POST /events with one status, and keeps what was sent.
type pushstream struct {
	*httptest.Server

	status int
	events []string
}

func newPushStream(t *testing.T, status int) *pushstream {
	t.Helper()
	p := &pushstream{status: status}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/events" || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		p.events = append(p.events, string(body))
		w.WriteHeader(p.status)
	}))
	t.Cleanup(p.Close)
	return p
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func deliver(url, body, signature string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("X-GitHub-Event", "issues")
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	if signature != "" {
		r.Header.Set("X-Hub-Signature-256", signature)
	}
	w := httptest.NewRecorder()
	receiver{secret: secret, pushstream: url}.ServeHTTP(w, r)
	return w
}

const opened = `{"action":"opened","repository":{"full_name":"octo/hello","owner":{"login":"octo","type":"User"}},
	"issue":{"title":"<b>&","user":{"login":"dependabot[bot]","type":"Bot"}},"sender":{"login":"mona","type":"User"},"n":12345678901234567890}`

// The documented promise of the example: all that it takes, imports included, is below 50 lines. Counted are the lines of
// receiver.go, which receives deliveries and publishes events, that are neither blank nor comment alone. Not counted are
// payload.go (whom a GitHub payload is about), main.go (settings and the HTTP server) and the page.
func TestIntegrationIsBelow50Lines(t *testing.T) {
	source, err := os.ReadFile("receiver.go")
	require.NoError(t, err)
	count := 0
	for line := range strings.Lines(string(source)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			count++
		}
	}
	require.Less(t, count, 50)
	require.Greater(t, count, 20, "the rule counts nothing any more")
}

func TestDeliveryBecomesOneEvent(t *testing.T) {
	node := newPushStream(t, http.StatusOK)
	require.Equal(t, http.StatusOK, deliver(node.URL, opened, sign(opened)).Code)
	require.Len(t, node.events, 1)
	var sent struct {
		Key, Type string
		Targets   []string
		Data      json.RawMessage
	}
	decoder := json.NewDecoder(strings.NewReader(node.events[0]))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&sent))
	require.Equal(t, "72d3162e-cc78-11e3-81ab-4c9367dc0958", sent.Key)
	require.Equal(t, "issues.opened", sent.Type)
	require.Equal(t, []string{"topic:octo/hello", "user:dependabot[bot]", "user:mona"}, sent.Targets)
	require.JSONEq(t, opened, string(sent.Data))
	require.Contains(t, string(sent.Data), "12345678901234567890", "numbers keep all their digits")
}

func TestUnsignedIsRefused(t *testing.T) {
	node := newPushStream(t, http.StatusOK)
	for name, signature := range map[string]string{
		"none":        "",
		"wrong":       "sha256=" + strings.Repeat("0", 64),
		"other body":  sign(opened + " "),
		"no prefix":   strings.TrimPrefix(sign(opened), "sha256="),
		"only prefix": "sha256=",
	} {
		require.Equal(t, http.StatusUnauthorized, deliver(node.URL, opened, signature).Code, name)
	}
	large := `{"a":"` + strings.Repeat("a", 25<<20) + `"}`
	require.Equal(t, http.StatusUnauthorized, deliver(node.URL, large, sign(large)).Code, "too large")
	require.Empty(t, node.events)
}

func TestSignedNonsenseIsRefused(t *testing.T) {
	node := newPushStream(t, http.StatusOK)
	for _, body := range []string{"", "payload=%7B%7D", `["a"]`, `{"action":`} {
		require.Equal(t, http.StatusBadRequest, deliver(node.URL, body, sign(body)).Code, body)
	}
	require.Empty(t, node.events)
}

func TestDeliveryForNobodyIsNotPublished(t *testing.T) {
	node := newPushStream(t, http.StatusOK)
	body := `{"action":"published","security_advisory":{"ghsa_id":"GHSA-rf4j-j272-fj86"}}`
	require.Equal(t, http.StatusOK, deliver(node.URL, body, sign(body)).Code)
	require.Empty(t, node.events)
}

func TestEventNotTakenIsABadGateway(t *testing.T) {
	for _, status := range []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		node := newPushStream(t, status)
		require.Equal(t, http.StatusBadGateway, deliver(node.URL, opened, sign(opened)).Code)
		require.Len(t, node.events, 1)
	}
	gone := newPushStream(t, http.StatusOK)
	gone.Close()
	require.Equal(t, http.StatusBadGateway, deliver(gone.URL, opened, sign(opened)).Code)
}

func TestTargets(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"pull request": {
			`{"repository":{"full_name":"o/r"},"sender":{"login":"a","type":"User"},"pull_request":{"user":{"login":"b","type":"User"},
			"assignees":[{"login":"c","type":"User"},{"login":"a","type":"User"}],"requested_reviewers":[{"login":"d","type":"User"},{"name":"a team"}],
			"head":{"repo":{"owner":{"login":"x","type":"User"}}}}}`,
			[]string{"topic:o/r", "user:a", "user:b", "user:c", "user:d"},
		},
		"no repository": {`{"sender":{"login":"a","type":"User"}}`, []string{"user:a"}},
		"organisation":  {`{"organization":{"login":"o"},"sender":{"login":"o","type":"Organization"}}`, nil},
		"odd":           {`{"repository":{"full_name":7},"sender":{"login":null,"type":"User"},"action":7}`, nil},
	} {
		var p payload
		require.NoError(t, json.Unmarshal([]byte(c.body), &p))
		require.Equal(t, c.want, p.targets(), name)
		require.Equal(t, "received", p.action(), name)
	}
}

func TestPageTalksToPushStreamOnly(t *testing.T) {
	page, err := newPage("http://push.example:8080/sub\"><script>")
	require.NoError(t, err)
	for path, want := range map[string]int{
		"/": http.StatusOK, "/feed.js": http.StatusOK, "/feed.css": http.StatusOK, "/page.go": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, want, w.Code, path)
		policy := w.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self';")
		require.Contains(t, policy, "connect-src http://push.example:8080;")
		require.NotContains(t, w.Body.String(), "<script>")
	}
	for _, bad := range []string{"", "push.example:8080", "javascript:alert(1)", "http://", "http://[::1"} {
		_, err := newPage(bad)
		require.Error(t, err, bad)
	}
}
