package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientRun is a command line of a client, and what it led to.
type clientRun struct {
	stdin   string
	pipe    io.Reader // standard input in its place
	environ []string
	caught  chan os.Signal
	onWrite func(text string) // sees what is written to standard output

	code           int
	stdout, stderr string
}

func (r *clientRun) do(t *testing.T, args ...string) *clientRun {
	t.Helper()
	var stdout, stderr strings.Builder
	p := program{
		stdin: strings.NewReader(r.stdin), stdout: &stdout, stderr: &stderr, environ: r.environ,
		signals: func() (<-chan os.Signal, func()) { return r.caught, func() {} },
	}
	if r.pipe != nil {
		p.stdin = r.pipe
	}
	if r.onWrite != nil {
		p.stdout = io.MultiWriter(&stdout, writerFunc(r.onWrite))
	}
	r.code = p.main(t.Context(), args)
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

type writerFunc func(string)

func (f writerFunc) Write(b []byte) (int, error) {
	f(string(b))
	return len(b), nil
}

// fakeNode answers each request by the next of its answers, and further ones by the last.
type fakeNode struct {
	*httptest.Server

	mu      sync.Mutex
	answers []http.HandlerFunc
	asked   []string // method, path and credential
	bodies  []string
}

func newFakeNode(t *testing.T, answers ...http.HandlerFunc) *fakeNode {
	t.Helper()
	n := &fakeNode{answers: answers}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.asked = append(n.asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		n.bodies = append(n.bodies, string(body))
		next := n.answers[min(len(n.asked), len(n.answers))-1]
		n.mu.Unlock()
		next(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPublish(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		stdin  string
		answer string
		body   string
		stdout string
	}{
		"argument":          {[]string{"user:alice", "a.b", `{"n": 1.0}`, "--key", "k"}, "", `{"id":"x.1-0"}`, `{"target":"user:alice","type":"a.b","key":"k","data":{"n": 1.0}}`, "x.1-0\n"},
		"standard input":    {[]string{"user:alice", "a.b", "--key=k"}, "[1]\n", `{"id":"x.1-0"}`, `{"target":"user:alice","type":"a.b","key":"k","data":[1]}`, "x.1-0\n"},
		"dash, two":         {[]string{"user:alice,all", "a.b", "-", "--key=k"}, "2", `{"ids":{"user:alice":"x.1-0","all":"x.1-0"}}`, `{"targets":["user:alice","all"],"type":"a.b","key":"k","data":2}`, "all x.1-0\nuser:alice x.1-0\n"},
		"text":              {[]string{"all", "a.b", "say \"hi\"", "--text", "--key=k"}, "", `{"id":"x.1-0"}`, `{"target":"all","type":"a.b","key":"k","data":"say \"hi\""}`, "x.1-0\n"},
		"text of a pipe":    {[]string{"all", "a.b", "--text", "--key=k"}, "one\ntwo\r\n", `{"id":"x.1-0"}`, `{"target":"all","type":"a.b","key":"k","data":"one\ntwo"}`, "x.1-0\n"},
		"live only, meta":   {[]string{"all", "a.b", "null", "--live-only", "--key=k", "--meta", `{"m":1}`}, "", `{"live":true}`, `{"target":"all","type":"a.b","key":"k","live_only":true,"meta":{"m":1},"data":null}`, "live\n"},
		"id of an impostor": {[]string{"all", "a.b", "1", "--key=k"}, "", `{"id":"x\u001b[31m"}`, `{"target":"all","type":"a.b","key":"k","data":1}`, `x\u001b[31m` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(t, says(200, c.answer))
			o := (&clientRun{stdin: c.stdin}).do(t, append([]string{"publish", "--url", n.URL, "--token", "secret"}, c.args...)...)
			require.Zero(t, o.code, o.stderr)
			require.Equal(t, c.stdout, o.stdout)
			require.Empty(t, o.stderr)
			require.Equal(t, []string{c.body}, n.bodies)
			require.Equal(t, []string{"POST /events Bearer secret"}, n.asked)
		})
	}
}

func TestPublishExitCodes(t *testing.T) {
	const good = "publish all a.b 1 --key k"
	for name, c := range map[string]struct {
		args   string
		status int
		code   string
		want   int
	}{
		"bad target":     {"publish alice a.b 1", 0, "", exitUsage},
		"bad type":       {"publish all ab 1", 0, "", exitUsage},
		"not JSON":       {"publish all a.b {", 0, "", exitUsage},
		"bad meta":       {"publish all a.b 1 --meta 1", 0, "", exitUsage},
		"no type":        {"publish all", 0, "", exitUsage},
		"too much":       {"publish all a.b 1 2", 0, "", exitUsage},
		"two tokens":     {good + " --token t --token-file f", 0, "", exitUsage},
		"no file":        {good + " --token-file /nowhere", 0, "", exitUsage},
		"file of a pipe": {good + " --token-file -", 0, "", exitUsage},
		"bad URL":        {good + " --url localhost", 0, "", exitUsage},
		"no time":        {good + " --timeout 0s", 0, "", exitUsage},
		"negative time":  {good + " --timeout -1s", 0, "", exitUsage},
		"text no UTF-8":  {"publish all a.b \xff --text", 0, "", exitUsage},
		"unknown flag":   {good + " --tokn t", 0, "", exitUsage},
		"batch of one":   {good + " --batch", 0, "", exitUsage},
		"refused":        {good, 422, "invalid", exitFailure},
		"too large":      {good, 413, "event_too_large", exitFailure},
		"no page":        {good, 404, "http", exitFailure},
		"unauthorized":   {good, 401, "token_invalid", exitForbidden},
		"forbidden":      {good, 403, "forbidden", exitForbidden},
		"unavailable":    {good + " --timeout 10ms", 503, "unavailable", exitUnavailable},
		"too many":       {good + " --timeout 10ms", 429, "publish_rate", exitUnavailable},
		"no node":        {good + " --timeout 10ms --url http://127.0.0.1:1", 0, "", exitUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(t, says(c.status, fmt.Sprintf(`{"detail":"because","code":%q}`, c.code)))
			o := (&clientRun{environ: []string{envClientURL + "=" + n.URL}}).do(t, strings.Fields(c.args)...)
			require.Equal(t, c.want, o.code, o.stderr)
			require.Empty(t, o.stdout)
			require.Equal(t, 1, strings.Count(o.stderr, "\n"), o.stderr)
			require.Equal(t, c.want == exitUnavailable, strings.Contains(o.stderr, "--key k"), o.stderr)
			if c.status == 0 {
				require.Empty(t, n.asked)
			} else {
				require.Contains(t, o.stderr, c.code)
			}
		})
	}
}

func TestPublishFindsItsNodeAndToken(t *testing.T) {
	n := newFakeNode(t, says(200, `{"id":"x.1-0"}`))
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("of-file\n"), 0o600))
	environ := []string{envClientURL + "=http://127.0.0.1:1", envClientURL + "=" + n.URL, envClientToken + "=of-environment"}
	for _, args := range []string{"", "--token of-flag", "--token-file " + file} {
		o := (&clientRun{environ: environ}).do(t, append([]string{"publish", "all", "a.b", "1"}, strings.Fields(args)...)...)
		require.Zero(t, o.code, o.stderr)
	}
	require.Equal(t, []string{"POST /events Bearer of-environment", "POST /events Bearer of-flag", "POST /events Bearer of-file"}, n.asked)
	o := (&clientRun{}).do(t, "publish", "all", "a.b", "1", "--url", "http://127.0.0.1:1,"+n.URL)
	require.Zero(t, o.code, "of several, the next one: %s", o.stderr)
}

func TestPublishLines(t *testing.T) {
	lines := strings.Join([]string{
		`{"target":"all","type":"a.b","data":{"n": 1.0},"key":"k1"}`, "",
		`{"target":"all","type":"a.b","data":2,"key":"k2","meta":{"m":1}}`,
		`{"target":"all","type":"a.b"}`,
		`{"target":"all","type":"a.b","data":1,"ttl":5}`,
		`{"target":"all","targets":["all"],"type":"a.b","data":1}`,
		`1 2`,
		`{"target":"alice","type":"a.b","data":1}`,
		`{"targets":["all","user:a"],"type":"a.b","data":3,"key":"k3"}`,
		`{"target":"all","type":"a.b","data":4,"key":"k4","live_only":true,"meta":null}`,
		`{"target":"all","type":"a.b","data":1}}`,
		"{\"target\":\"user:\xff\",\"type\":\"a.b\",\"data\":1}",
		`[]`, `42`, `{"target":7,"type":"a.b","data":1}`,
		`{"target":"all","Target":"user:a","type":"a.b","data":1}`, `{"target":"all","type":"a.b","data":1,"target":"user:a"}`,
	}, "\n")
	n := newFakeNode(t, says(200, `{"results":[{"id":"x.1-0"},{"error":{"status":413,"code":"event_too_large","detail":"too large"}},{"ids":{"all":"x.2-0","user:a":"x.2-0"}},{"live":true}]}`))
	o := (&clientRun{stdin: lines}).do(t, "publish", "--batch", "--url", n.URL)
	require.Equal(t, exitFailure, o.code)
	require.Equal(t, "x.1-0\n-\n-\n-\n-\n-\n-\nall x.2-0\nuser:a x.2-0\nlive\n-\n-\n-\n-\n-\n-\n-\n", o.stdout)
	for _, text := range []string{
		"line 3: status 413 (event_too_large): too large\n", "line 4: data is missing", "line 5: json: unknown field", "line 6: both target",
		"line 7: ", "line 8: ", "line 11: there is more behind the event\n", "line 12: it is not UTF-8\n", "line 13: it is no object, but a JSON array\n",
		"line 14: it is no object, but a JSON number\n", "line 15: target is a JSON number\n",
		"line 16: invalid object: unknown field \"Target\"\n", "line 17: invalid object: the field \"target\" is there twice\n", "13 events were not stored\n",
	} {
		require.Contains(t, o.stderr, text)
	}
	require.NotContains(t, o.stderr, "struct")
	require.Equal(t, []string{"[" + strings.Join([]string{
		`{"target":"all","type":"a.b","key":"k1","data":{"n": 1.0}}`,
		`{"target":"all","type":"a.b","key":"k2","meta":{"m":1},"data":2}`,
		`{"targets":["all","user:a"],"type":"a.b","key":"k3","data":3}`,
		`{"target":"all","type":"a.b","key":"k4","live_only":true,"data":4}`,
	}, ",") + "]"}, n.bodies)
}

func TestPublishManyLines(t *testing.T) {
	var lines, ids strings.Builder
	for i := range 1001 {
		lines.WriteString(eventLine(i))
		fmt.Fprintf(&ids, "id-k%d\n", i)
	}
	var n *fakeNode
	n = newFakeNode(t, storing(&n, 1<<20))
	o := (&clientRun{stdin: lines.String()}).do(t, "publish", "--batch", "--url", n.URL)
	require.Zero(t, o.code, o.stderr)
	require.Equal(t, ids.String(), o.stdout)
	require.GreaterOrEqual(t, len(n.bodies), 3)
	for _, body := range n.bodies {
		require.LessOrEqual(t, strings.Count(body, `"key"`), batchLines)
	}

	n = newFakeNode(t, says(403, `{"code":"forbidden"}`))
	o = (&clientRun{stdin: lines.String()}).do(t, "publish", "--batch", "--url", n.URL)
	require.Equal(t, exitForbidden, o.code)
	require.Len(t, n.asked, 1, "the others would fare no better")

	o = (&clientRun{}).do(t, "publish", "--batch", "--url", n.URL)
	require.Equal(t, []any{0, "", ""}, []any{o.code, o.stdout, o.stderr}, "nothing to do")
}

func TestPublishTriesForItsTime(t *testing.T) {
	var o publisher
	cfg := o.config()
	require.GreaterOrEqual(t, cfg.Attempts, 1_000_000, "the time ends it, not a number of attempts")
	cfg.URLs = []string{"http://localhost"}
	require.NoError(t, cfg.Validate())

	down := says(503, `{"code":"unavailable"}`)
	n := newFakeNode(t, down, down, says(200, `{"id":"x.1-0"}`))
	r := (&clientRun{}).do(t, "publish", "all", "a.b", "1", "--url", n.URL)
	require.Zero(t, r.code, r.stderr)
	for _, body := range n.bodies {
		require.Equal(t, n.bodies[0], body, "the same key")
	}
}

func TestPublishThatCannotBePrintedSaysWhatIsStored(t *testing.T) {
	for answer, c := range map[string]struct{ args, want string }{
		`{"id":"x.1-0"}`: {"all", "pushstreamd: the event is stored, with the id x.1-0 and the key k, but that could not be written: no space left"},
		`{"ids":{"all":"x.1-0","user:a":"x.2-0"}}`: {"all,user:a", "with the id all x.1-0, user:a x.2-0 and the key k, but"},
		`{"live":true}`: {"all --live-only", "pushstreamd: the event is passed on, with the key k, but"},
	} {
		n := newFakeNode(t, says(200, answer))
		var stderr strings.Builder
		p := program{stdout: full{}, stderr: &stderr, signals: func() (<-chan os.Signal, func()) { return nil, func() {} }}
		args := append([]string{"publish", "--url", n.URL, "--key", "k"}, strings.Fields(c.args)...)
		require.Equal(t, exitFailure, p.main(t.Context(), append(args, "a.b", "1")))
		require.Contains(t, stderr.String(), c.want)
	}
}

func TestPublishUntilCtrlC(t *testing.T) {
	caught := make(chan os.Signal, 1)
	n := newFakeNode(t, func(_ http.ResponseWriter, r *http.Request) {
		caught <- os.Interrupt
		<-r.Context().Done()
	})
	o := (&clientRun{caught: caught}).do(t, "publish", "all", "a.b", "1", "--url", n.URL, "--key", "k")
	require.Equal(t, exitUnavailable, o.code)
	require.Contains(t, o.stderr, "interrupted; it is not known to be stored; to publish it again: --key k\n")
}
