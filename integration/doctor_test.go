package integration_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/doctor"
)

// examine runs the doctor as a page of another origin would see the path, and with less patience than people have.
func examine(t *testing.T, url string, change ...func(*doctor.Config)) doctor.Report {
	t.Helper()
	cfg := doctor.DefaultConfig(url)
	cfg.Origin, cfg.Patience = "https://shop.example", 3*time.Second
	for _, f := range change {
		f(&cfg)
	}
	r, err := doctor.Run(t.Context(), cfg)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	t.Logf("%s:\n%s", url, text.String())
	return r
}

// levels returns the names of the findings of a level.
func levels(r doctor.Report, level doctor.Level) []string {
	names := []string{}
	for _, f := range r.Findings {
		if f.Level == level {
			names = append(names, f.Check)
		}
	}
	return names
}

// cureFor returns the lines that a finding names for a program.
func cureFor(t *testing.T, r doctor.Report, check, program string) []string {
	t.Helper()
	f, found := r.Finding(check)
	require.True(t, found)
	var lines []string
	for _, c := range f.Cure {
		if c.For == program {
			lines = append(lines, c.Line)
		}
	}
	return lines
}

// startLively starts a node whose heartbeat is short.
func startLively(t *testing.T, heartbeat string, args ...string) *node {
	t.Helper()
	return startNode(t, append([]string{"--insecure-dev", "--stream-heartbeat", heartbeat}, args...)...)
}

func balancerNamed(t *testing.T, name string) balancer {
	t.Helper()
	i := slices.IndexFunc(balancers, func(b balancer) bool { return b.name == name })
	require.GreaterOrEqual(t, i, 0)
	return balancers[i]
}

func TestDoctorFindsNothingWrongWithANode(t *testing.T) {
	t.Parallel()
	r := examine(t, startLively(t, "1s", "--node", "alone").URL)
	require.True(t, r.Reached)
	require.Equal(t, []string{"alone"}, r.Nodes)
	require.Empty(t, levels(r, doctor.Fault))
	require.Equal(t, []string{"http_version"}, levels(r, doctor.Warning))
	require.Equal(t, []string{"tls"}, levels(r, doctor.Skipped))
}

func TestDoctorFindsNothingWrongWithTheFilesOfDeploy(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startLively(t, "1s")
			plain := b.start(t, b.read(t), []*node{n})
			require.Empty(t, levels(examine(t, plain.URL), doctor.Fault))

			secure := b.start(t, strings.ReplaceAll(b.read(t), "# tls: ", ""), []*node{n})
			r := examine(t, secure.secureURL, believeTestServers)
			require.Empty(t, levels(r, doctor.Fault))
			require.NotContains(t, levels(r, doctor.Warning), "http_version")
			require.NotContains(t, levels(r, doctor.Warning), "tls")
		})
	}
}

// believeTestServers takes the certificate that writeCertificate writes.
func believeTestServers(cfg *doctor.Config) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AddCert(server.Certificate())
}

// disease is a change to a file of deploy/ that does harm.
type disease struct {
	name, balancer string
	heartbeat      string
	changes        []string
	// careless says that another proxy is between, which sends streams in chunks and drops Cache-Control: no others does
	// HAProxy compress.
	careless bool
	check    string
	level    doctor.Level
	cure     string // a line of it
}

var diseases = []disease{
	{
		name: "buffering", balancer: "nginx", heartbeat: "1s",
		changes: []string{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"},
		check:   "buffering", level: doctor.Fault, cure: "proxy_buffering off;",
	},
	{
		name: "compression", balancer: "nginx", heartbeat: "1s",
		changes: []string{"gzip off;", "gzip on; gzip_proxied any; gzip_types text/event-stream; gzip_min_length 0;"},
		check:   "compression", level: doctor.Warning, cure: "gzip off;",
	},
	{
		name: "impatience", balancer: "nginx", heartbeat: "3s",
		changes: []string{"proxy_read_timeout 60s;", "proxy_read_timeout 1s;"},
		check:   "idle", level: doctor.Fault, cure: "proxy_read_timeout 60s;",
	},
	{
		name: "buffering and impatience", balancer: "nginx", heartbeat: "4s",
		changes: []string{
			"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
			"proxy_read_timeout 60s;", "proxy_read_timeout 1s;",
		},
		check: "answer", level: doctor.Fault, cure: "proxy_buffering off;",
	},
	{
		name: "small headers", balancer: "nginx", heartbeat: "1s",
		changes: []string{"client_max_body_size 8m;", "client_max_body_size 8m; large_client_header_buffers 4 1k;"},
		check:   "header_limits", level: doctor.Fault, cure: "large_client_header_buffers 4 16k;",
	},
	{
		name: "no cursor", balancer: "nginx", heartbeat: "1s",
		changes: []string{"proxy_set_header Host $http_host;", `proxy_set_header Host $http_host; proxy_set_header Last-Event-ID "";`},
		check:   "headers", level: doctor.Fault, cure: "proxy_set_header Last-Event-ID $http_last_event_id;",
	},
	{
		name: "no query", balancer: "nginx", heartbeat: "1s",
		changes: []string{"proxy_pass http://nodes;", "proxy_pass http://nodes$uri;"},
		check:   "headers", level: doctor.Fault, cure: "proxy_pass http://nodes;",
	},
	{
		name: "origins twice", balancer: "nginx", heartbeat: "1s",
		changes: []string{"gzip off;", "gzip off; add_header Access-Control-Allow-Origin *;"},
		check:   "cors", level: doctor.Fault, cure: "add_header Access-Control-Allow-Origin",
	},
	{
		name: "compression", balancer: "haproxy", heartbeat: "1s",
		changes:  []string{"balance leastconn", "balance leastconn\n  compression algo gzip\n  compression type text/event-stream"},
		careless: true,
		check:    "compression", level: doctor.Warning, cure: "text/event-stream",
	},
	{
		name: "impatience with nodes", balancer: "haproxy", heartbeat: "3s",
		changes: []string{"timeout server 60s", "timeout server 1s"},
		check:   "idle", level: doctor.Fault, cure: "timeout server 60s",
	},
	{
		name: "small headers", balancer: "haproxy", heartbeat: "1s",
		changes: []string{"log stdout", "tune.bufsize 4096\n  log stdout"},
		check:   "header_limits", level: doctor.Fault, cure: "tune.bufsize 32768",
	},
	{
		name: "no cursor", balancer: "haproxy", heartbeat: "1s",
		changes: []string{"balance leastconn", "balance leastconn\n  http-request del-header Last-Event-ID"},
		check:   "headers", level: doctor.Fault, cure: "http-request del-header Last-Event-ID",
	},
	{
		name: "compression", balancer: "caddy", heartbeat: "1s",
		changes: []string{
			"# No node is ready.", "encode {\n gzip\n minimum_length 1\n match {\n header Content-Type text/event-stream*\n }\n }\n #",
			"lb_try_duration 2s", "lb_try_duration 2s\n header_down -Cache-Control",
		},
		check: "compression", level: doctor.Fault, cure: "@short not path /events",
	},
	{
		name: "buffering", balancer: "caddy", heartbeat: "1s",
		changes: []string{"lb_try_duration 2s", "lb_try_duration 2s\n buffer_responses"},
		check:   "buffering", level: doctor.Fault, cure: "response_buffers",
	},
	{
		name: "buffering and impatience", balancer: "caddy", heartbeat: "4s",
		changes: []string{"lb_try_duration 2s", "lb_try_duration 2s\n buffer_responses", "read_timeout 60s", "read_timeout 1s"},
		check:   "buffering", level: doctor.Fault, cure: "response_buffers",
	},
	{
		name: "impatience", balancer: "caddy", heartbeat: "3s",
		changes: []string{"read_timeout 60s", "read_timeout 1s"},
		check:   "idle", level: doctor.Fault, cure: "read_timeout 60s",
	},
	{
		name: "no cursor", balancer: "caddy", heartbeat: "1s",
		changes: []string{"lb_try_duration 2s", "lb_try_duration 2s\n header_up -Last-Event-ID"},
		check:   "headers", level: doctor.Fault, cure: "header_up -Last-Event-ID",
	},
}

func TestDoctorNamesTheCure(t *testing.T) {
	t.Parallel()
	for _, d := range diseases {
		t.Run(d.balancer+"/"+d.name, func(t *testing.T) {
			t.Parallel()
			b := balancerNamed(t, d.balancer)
			n := startLively(t, d.heartbeat)
			if d.careless {
				n = &node{URL: startMiddle(t, n, func(w http.ResponseWriter) http.ResponseWriter { return careless{w} })}
			}
			r := examine(t, b.start(t, b.read(t), []*node{n}, d.changes...).URL)
			f, _ := r.Finding(d.check)
			require.Equal(t, d.level, f.Level)
			require.Contains(t, cureFor(t, r, d.check, d.balancer), d.cure)
		})
	}
}

// The line that the doctor names is the one that helps.
func TestDoctorCuresNginxThatBuffers(t *testing.T) {
	t.Parallel()
	b, n := balancerNamed(t, "nginx"), startLively(t, "1s")
	const sick = "proxy_buffering on;"
	file := strings.ReplaceAll(b.read(t), "proxy_buffering off;", sick+" proxy_ignore_headers X-Accel-Buffering;")
	r := examine(t, b.start(t, file, []*node{n}).URL)
	require.Contains(t, levels(r, doctor.Fault), "buffering")
	cure := cureFor(t, r, "buffering", "nginx")
	require.Len(t, cure, 1)
	r = examine(t, b.start(t, file, []*node{n}, sick, cure[0]).URL)
	require.Empty(t, levels(r, doctor.Fault))
}

// What looks bad, and is not: the node asks nginx not to buffer; HAProxy counts what it sends to a reader as activity of the
// reader; Caddy flushes event streams whatever it is told.
func TestDoctorLeavesAloneWhatDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]disease{
		"nginx buffers":         {balancer: "nginx", heartbeat: "1s", changes: []string{"proxy_buffering off;", "proxy_buffering on;"}},
		"nginx speaks HTTP/1.0": {balancer: "nginx", heartbeat: "1s", changes: []string{"proxy_http_version 1.1;", "proxy_http_version 1.0;"}},
		"haproxy is impatient":  {balancer: "haproxy", heartbeat: "2s", changes: []string{"timeout client 60s", "timeout client 1s"}},
		"caddy flushes seldom":  {balancer: "caddy", heartbeat: "1s", changes: []string{"lb_try_duration 2s", "lb_try_duration 2s\n flush_interval 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, n := balancerNamed(t, d.balancer), startLively(t, d.heartbeat)
			require.Empty(t, levels(examine(t, b.start(t, b.read(t), []*node{n}, d.changes...).URL), doctor.Fault))
			front := b.start(t, strings.ReplaceAll(b.read(t), "# tls: ", ""), []*node{n}, d.changes...)
			require.Empty(t, levels(examine(t, front.secureURL, believeTestServers), doctor.Fault))
		})
	}
}

// careless drops Cache-Control.
type careless struct{ http.ResponseWriter }

func (c careless) WriteHeader(status int) {
	c.Header().Del("Cache-Control")
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController, which flushes.
func (c careless) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// hoarder passes a body on when it has so many bytes of it.
type hoarder struct {
	http.ResponseWriter

	held []byte
	most int
}

func (h *hoarder) Write(b []byte) (int, error) {
	if h.held = append(h.held, b...); len(h.held) < h.most {
		return len(b), nil
	}
	_, err := h.ResponseWriter.Write(h.held)
	h.held = h.held[:0]
	return len(b), err
}

// startMiddle runs a proxy of our own, which passes each answer on through wrap.
func startMiddle(t *testing.T, n *node, wrap func(http.ResponseWriter) http.ResponseWriter) string {
	t.Helper()
	upstream, err := url.Parse(n.URL)
	require.NoError(t, err)
	transport := &http.Transport{}
	passOn := httputil.NewSingleHostReverseProxy(upstream)
	passOn.Transport, passOn.FlushInterval = transport, -1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _ = recover() }() // it panics when the reader has gone
		passOn.ServeHTTP(wrap(w), r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

func TestDoctorFindsABoxThatBuffers(t *testing.T) {
	t.Parallel()
	url := startMiddle(t, startLively(t, "1s"), func(w http.ResponseWriter) http.ResponseWriter {
		return &hoarder{ResponseWriter: w, most: 64 << 10}
	})
	r := examine(t, url)
	require.Contains(t, levels(r, doctor.Fault), "buffering")
	for _, program := range []string{"nginx", "haproxy", "caddy"} {
		require.NotEmpty(t, cureFor(t, r, "buffering", program), "nobody names itself, so it may be %s", program)
	}
}

// Nodes without a Redis in common have a history, and readers, of their own.
func TestDoctorFindsNodesThatDoNotShare(t *testing.T) {
	t.Parallel()
	b := balancerNamed(t, "haproxy")
	front := b.start(t, b.read(t), startThree(t, "--stream-heartbeat", "1s"))
	r := examine(t, front.URL)
	require.Greater(t, len(r.Nodes), 1)
	require.Contains(t, levels(r, doctor.Fault), "resume")
	require.Equal(t, []string{"redis: redis://redis.example:6379"}, cureFor(t, r, "resume", "pushstream"))
}

func TestDoctorSaysThatNoNodeIsThere(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startLively(t, "1s")
			front := b.start(t, b.read(t), []*node{n})
			newVisitor(t, front.URL).opens("user=alice").stop()
			n.kill()
			require.Eventually(t, func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				r, err := doctor.Run(ctx, doctor.DefaultConfig(front.URL))
				return err == nil && !r.Reached
			}, patience, 200*time.Millisecond)
		})
	}
}
