package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/internal/metrics"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/broker"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// settings are what a test's node is made of.
type settings struct {
	api    httpapi.Config
	broker broker.Config
	tokens *auth.Config // nil for development mode
	// Of development mode.
	insecure bool
	origins  []string
	log      *slog.Logger
	idle     bool // the broker does not run
}

func testConfig() httpapi.Config {
	return httpapi.Config{
		Connections:      100,
		Topics:           10,
		BatchEvents:      10,
		BodyBytes:        64 << 10,
		PublishBurst:     10,
		SubscribeTimeout: 5 * time.Second,
		WriteTimeout:     time.Minute,
	}
}

// node is the public listener with a broker on the embedded engine behind it, on a real socket.
type node struct {
	url     string
	client  *http.Client
	broker  *broker.Broker
	auth    *auth.Tokens // nil in development mode
	serveAs func(t *testing.T, who httpapi.Authenticator)
	health  *httpapi.Health
	metrics *prometheus.Registry
}

func newNode(t *testing.T, change ...func(*settings)) *node {
	t.Helper()
	s := settings{api: testConfig(), broker: broker.DefaultConfig(), log: slog.New(slog.DiscardHandler)}
	s.broker.EventBytes = 1 << 10
	s.broker.DrainWindow = 0
	for _, f := range change {
		f(&s)
	}
	engine, err := memory.New(memory.DefaultConfig())
	require.NoError(t, err)
	t.Cleanup(engine.Close)
	n := &node{metrics: prometheus.NewRegistry()}
	counters, err := metrics.New(n.metrics)
	require.NoError(t, err)
	n.broker, err = broker.New(s.broker, engine, engine.Capabilities().Partitions, s.log, counters)
	require.NoError(t, err)
	n.health = httpapi.NewHealth(n.broker)
	n.serveAs = func(t *testing.T, who httpapi.Authenticator) {
		t.Helper()
		n.serveAPI(t, httpapi.New(s.api, n.broker, who, n.health, s.log, counters))
	}
	if s.tokens == nil {
		n.serveAs(t, auth.NewDevelopment(s.insecure, s.origins, engine))
	} else {
		n.auth, err = auth.New(*s.tokens, engine, s.log)
		require.NoError(t, err)
		t.Cleanup(n.auth.Close)
		n.serveAs(t, n.auth)
	}
	if !s.idle {
		n.run(t)
	}
	return n
}

// run runs the broker until the test ends.
func (n *node) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.broker.Run(ctx) }() // joined by the cleanup
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	require.Eventually(t, func() bool { return n.broker.Ready() == nil }, patience, time.Millisecond)
}

// serveAPI runs an API and serves it.
func (n *node) serveAPI(t *testing.T, api *httpapi.API) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- api.Run(ctx) }() // joined by the cleanup
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	n.serve(t, api.Handler())
}

// serve puts a handler on a loopback socket, with the protocols that a node speaks.
func (n *node) serve(t *testing.T, handler http.Handler) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	n.url, n.client = server.URL, &http.Client{Transport: transport}
}

// http2 makes the node's client one of HTTP/2 without TLS.
func (n *node) http2(t *testing.T) {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	n.client = &http.Client{Transport: transport}
}

// call is a request to be made.
type call struct {
	method, path string
	header       []string // "Name: value"; Host is the request's own
	body         string
}

func (n *node) request(t *testing.T, c call) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, c.method, n.url+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	if c.body == "" {
		r.Body = http.NoBody
	}
	for _, line := range c.header {
		name, value, found := strings.Cut(line, ": ")
		require.True(t, found, line)
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	return r
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   string
}

// do makes a request and reads its whole answer. Whatever a test asks for, both are checked against the OpenAPI file.
func (n *node) do(t *testing.T, c call) answer {
	t.Helper()
	response, err := n.client.Do(n.request(t, c))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := answer{response.StatusCode, response.Header, string(body)}
	checkAgainstFile(t, n.request(t, c), c, a)
	return a
}

const (
	jsonType   = "Content-Type: application/json"
	ndjsonType = "Content-Type: application/x-ndjson"
	wantStream = "Accept: text/event-stream"
)

// publish posts JSON.
func (n *node) publish(t *testing.T, body string, header ...string) answer {
	t.Helper()
	return n.do(t, call{method: http.MethodPost, path: "/events", header: append(header, jsonType), body: body})
}

// published posts one event and returns its id.
func (n *node) published(t *testing.T, body string, header ...string) string {
	t.Helper()
	a := n.publish(t, body, header...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var stored struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &stored))
	require.NotEmpty(t, stored.ID, a.body)
	return stored.ID
}

// problem is an error as callers get it.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

func (a answer) problem(t *testing.T) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var p problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
	require.Equal(t, a.status, p.Status)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	return p
}

// refused checks that an answer is this problem.
func (a answer) refused(t *testing.T, status int, code string) problem {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	p := a.problem(t)
	require.Equal(t, code, p.Code, p.Detail)
	return p
}

// count returns what a counter or gauge stands at, all its labels together or only one with this value.
func (n *node) count(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := n.metrics.Gather()
	require.NoError(t, err)
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
