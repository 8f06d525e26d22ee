package doctor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/doctor"
)

// fakeNode is as much of a node as a run sees. It has one topic in common for all streams.
type fakeNode struct {
	name      string
	token     string // what readers and publishers need; "" for development mode
	heartbeat time.Duration

	mu      sync.Mutex
	streams map[chan string]bool
}

func newFakeNode() *fakeNode {
	return &fakeNode{name: "fake", heartbeat: time.Second, streams: make(map[chan string]bool)}
}

func (n *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Headers", "Last-Event-ID,Authorization")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if n.token != "" && r.Header.Get("Authorization") != "Bearer "+n.token {
		n.refuse(w, r)
		return
	}
	if r.Method == http.MethodPost {
		n.publish(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	if r.Method == http.MethodGet {
		n.serve(w, r)
	}
}

func (n *fakeNode) refuse(w http.ResponseWriter, r *http.Request) {
	code, challenge := "token_missing", "Bearer"
	if r.Header.Get("Authorization") != "" {
		code, challenge = "token_invalid", `Bearer error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, `{"code":%q}`, code)
}

func (n *fakeNode) publish(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Type string
		Data json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.streams {
		s <- fmt.Sprintf("event: %s\ndata: %s\n\n", e.Type, e.Data)
	}
	_, _ = io.WriteString(w, `{"live":true}`)
}

func (n *fakeNode) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	resumed := "none"
	if r.Header.Get("Last-Event-ID") != "" || q.Get("lastEventId") != "" {
		resumed = "replaying"
	}
	hello, err := json.Marshal(map[string]any{"node": n.name, "heartbeat_ms": n.heartbeat.Milliseconds(), "resumed": resumed})
	if err != nil {
		panic(err)
	}
	flush := http.NewResponseController(w).Flush
	say := func(kind, data string) {
		block := fmt.Sprintf("id: a.1\nevent: %s\ndata: %s\n\n", kind, data)
		if q.Get("envelope") == "1" {
			block = fmt.Sprintf("id: a.1\ndata: {\"type\":%q,\"data\":%s}\n\n", kind, data)
		}
		_, _ = io.WriteString(w, block)
		_ = flush()
	}
	events := make(chan string, 100)
	n.mu.Lock()
	n.streams[events] = len(q["topic"]) > 0
	if !n.streams[events] {
		delete(n.streams, events)
	}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.streams, events)
		n.mu.Unlock()
	}()
	say("pushstream.hello", string(hello))
	say("pushstream.live", "{}")
	for {
		select {
		case block := <-events:
			_, _ = io.WriteString(w, block)
			_ = flush()
		case <-time.After(n.heartbeat):
			say("pushstream.ping", "{}")
		case <-r.Context().Done():
			return
		}
	}
}

// run examines a server.
func run(t *testing.T, handler http.Handler, change ...func(*doctor.Config)) doctor.Report {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	cfg := doctor.DefaultConfig(server.URL)
	cfg.Patience = time.Second
	for _, f := range change {
		f(&cfg)
	}
	r, err := doctor.Run(t.Context(), cfg)
	require.NoError(t, err)
	return r
}

func levelOf(t *testing.T, r doctor.Report, check string) doctor.Level {
	t.Helper()
	f, found := r.Finding(check)
	require.True(t, found, check)
	return f.Level
}

func TestANodeWithoutAProxyIsWell(t *testing.T) {
	r := run(t, newFakeNode(), func(c *doctor.Config) { c.Origin = "https://app.example" })
	require.True(t, r.Reached)
	require.Equal(t, doctor.Warning, r.Level, "HTTP/1.1")
	require.Equal(t, []string{"fake"}, r.Nodes)
	for _, check := range []string{"reach", "answer", "buffering", "compression", "idle", "header_limits", "headers", "cors", "resume"} {
		require.Equal(t, doctor.OK, levelOf(t, r, check), "%s: %+v", check, r.Findings)
	}
	f, _ := r.Finding("buffering")
	require.EqualValues(t, 5, f.Figures["events_arrived"])
}

// The names and their order are for programs to rely on.
func TestTheFormOfTheReport(t *testing.T) {
	r := run(t, http.NotFoundHandler())
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out))
	var got struct {
		Version  int
		URL      string
		Reached  *bool
		Refused  *bool
		Proxies  []string
		Nodes    []string
		Level    string
		Findings []struct{ Check, Level, Measured, Why string }
	}
	decode := json.NewDecoder(&out)
	require.NoError(t, decode.Decode(&got))
	require.Equal(t, 1, got.Version)
	require.Equal(t, "fault", got.Level)
	require.NotNil(t, got.Reached)
	require.NotNil(t, got.Refused)
	require.NotNil(t, got.Proxies)
	require.NotNil(t, got.Nodes)
	var names []string
	for _, f := range got.Findings {
		names = append(names, f.Check)
		require.NotEmpty(t, f.Measured, f.Check)
		require.NotEmpty(t, f.Why, f.Check)
		require.NotEmpty(t, f.Level, f.Check)
	}
	require.Equal(t, []string{
		"reach", "tls", "http_version", "answer", "buffering", "compression", "idle", "header_limits", "headers", "cors", "resume",
	}, names)
	var text bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	require.Contains(t, text.String(), "404 Not Found, and not from a node")
}

// Whatever is sent back to us, no credential and nothing that a terminal obeys is in the report.
func TestForeignTextIsHarmless(t *testing.T) {
	const token = "a-token-that-nobody-is-to-see"
	n := newFakeNode()
	n.token, n.name = token, "evil \x1b[31m\u202e"+token
	r := run(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "nginx \x9b31m"+token)
		n.ServeHTTP(w, r)
	}), func(c *doctor.Config) { c.Token = token })
	require.Equal(t, doctor.OK, levelOf(t, r, "buffering"), "%+v", r.Findings)
	require.Equal(t, doctor.OK, levelOf(t, r, "headers"))
	for _, write := range []func(io.Writer) error{r.WriteText, r.WriteJSON} {
		var out strings.Builder
		require.NoError(t, write(&out))
		require.Contains(t, out.String(), "evil")
		require.Contains(t, out.String(), "nginx")
		require.NotContains(t, out.String(), token)
		require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u202e]", out.String())
	}
}

func TestWithoutACredentialTheRestIsDone(t *testing.T) {
	n := newFakeNode()
	n.token = "needed"
	r := run(t, n)
	require.True(t, r.Reached)
	require.True(t, r.Refused)
	require.Equal(t, doctor.Warning, r.Level)
	for _, check := range []string{"answer", "buffering", "compression", "idle", "resume"} {
		require.Equal(t, doctor.Skipped, levelOf(t, r, check), check)
	}
	require.Equal(t, doctor.OK, levelOf(t, r, "header_limits"))
	require.Equal(t, doctor.OK, levelOf(t, r, "headers"), "Authorization reaches the node")

	r = run(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		n.ServeHTTP(w, r)
	}))
	require.Equal(t, doctor.Fault, levelOf(t, r, "headers"))
	require.False(t, r.Refused, "no credential would reach the node")
}

func TestAWrongCredentialIsAFault(t *testing.T) {
	n := newFakeNode()
	n.token = "right"
	r := run(t, n, func(c *doctor.Config) { c.Token = "wrong" })
	f, _ := r.Finding("answer")
	require.Equal(t, doctor.Fault, f.Level)
	require.Contains(t, f.Measured, "token_invalid")
	require.True(t, r.Refused)
}

func TestADeadStreamIsAFault(t *testing.T) {
	r := run(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": welcome\n\n")
	}))
	f, _ := r.Finding("answer")
	require.Equal(t, doctor.Fault, f.Level)
	require.Contains(t, f.Measured, "without a hello")
	require.NotEmpty(t, f.Cure)
	require.False(t, r.Refused)
}

func TestARedirectIsAFault(t *testing.T) {
	asked := make(chan string, 100)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	defer elsewhere.Close()
	r := run(t, http.RedirectHandler(elsewhere.URL+"/events?secret=1", http.StatusFound), func(c *doctor.Config) { c.Token = "token" })
	f, _ := r.Finding("answer")
	require.Equal(t, doctor.Fault, f.Level)
	require.Contains(t, f.Measured, elsewhere.URL+"/events")
	require.NotContains(t, f.Measured, "secret")
	require.Empty(t, asked, "a token is for the host that it was given for")
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	r, err := doctor.Run(t.Context(), doctor.DefaultConfig(server.URL))
	require.NoError(t, err)
	require.False(t, r.Reached)
	require.Equal(t, doctor.Fault, levelOf(t, r, "reach"))
	require.Equal(t, doctor.Skipped, levelOf(t, r, "buffering"))

	r = run(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	require.False(t, r.Reached, "a proxy without a node")
}

func TestACertificateThatIsNotBelieved(t *testing.T) {
	server := httptest.NewUnstartedServer(newFakeNode())
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	cfg := doctor.DefaultConfig(server.URL)
	cfg.Token = "token"
	r, err := doctor.Run(t.Context(), cfg)
	require.NoError(t, err)
	f, _ := r.Finding("tls")
	require.Equal(t, doctor.Fault, f.Level)
	require.NotEmpty(t, f.Cure)
	require.Equal(t, doctor.Fault, r.Level)
}

func TestConfig(t *testing.T) {
	for _, url := range []string{"", "events.example", "ftp://events.example", "https://me:secret@events.example", "https://events.example?ticket=secret", "https://events.example/#x"} {
		err := doctor.DefaultConfig(url).Validate()
		require.ErrorContains(t, err, "URL", url)
		require.NotContains(t, err.Error(), "secret")
	}
	cfg := doctor.DefaultConfig("https://events.example/push/events/")
	require.NoError(t, cfg.Validate())
	cfg.Token, cfg.Origin, cfg.Topics, cfg.Duration, cfg.Patience = "two lines\n", "https://app.example/", []string{"a b"}, time.Millisecond, 0
	for _, fault := range []string{"token: ", "origin: ", "topic: ", "duration: ", "patience: "} {
		require.ErrorContains(t, cfg.Validate(), fault)
	}
	_, err := doctor.Run(t.Context(), cfg)
	require.Error(t, err)
}
