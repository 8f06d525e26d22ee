package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

// streams sends blocks and keeps the stream open; an "end" among them ends it.
func streams(blocks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, b := range blocks {
			if b == "end" {
				return
			}
			_, _ = io.WriteString(w, b)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

const (
	helloBlock = "retry: 1\nid: x.1-0\ndata: {\"type\":\"pushstream.hello\",\"data\":{\"node\":\"two\",\"heartbeat_ms\":15000}}\n\n"
	liveBlock  = "data: {\"type\":\"pushstream.live\",\"data\":{}}\n\n"
	gapNotice  = "data: {\"type\":\"pushstream.gap\",\"data\":{\"targets\":[\"all\"],\"reason\":\"trimmed\"}}\n\n"
)

func eventBlock(n int, data string) string {
	return fmt.Sprintf("id: x.%d-0\ndata: {\"id\":\"x.%d-0\",\"type\":\"a.b\",\"target\":\"topic:news\",\"data\":%s,\"time\":\"2026-11-23T13:45:11.651Z\"}\n\n", n, n, data)
}

func TestTail(t *testing.T) {
	n := newFakeNode(t, streams(helloBlock, liveBlock, eventBlock(2, `{"n": 1.0}`), "end"), streams(helloBlock, gapNotice, eventBlock(3, "null"), eventBlock(4, "4")))
	o := (&clientRun{}).do(t, "tail", "--url", n.URL, "--token", "secret", "--topic", "news", "--topic", "b c", "--since", "x.0-0")
	require.Equal(t, exitUsage, o.code, "no topic has a space")
	o = (&clientRun{}).do(t, "tail", "--url", n.URL, "--token", "secret", "--topic", "news", "--topic", "c", "--user", "alice", "--session", "s", "--count", "2")
	require.Zero(t, o.code, o.stderr)
	at := time.Date(2026, 11, 23, 13, 45, 11, 651e6, time.UTC).Local().Format("15:04:05.000")
	require.Equal(t, at+" topic:news a.b {\"n\": 1.0}\n"+at+" topic:news a.b null\n", o.stdout)
	require.Regexp(t, `(?s)^pushstreamd: the connection ended; again in .*pushstreamd: connected again, to two\n`, o.stderr)
	require.Contains(t, o.stderr, "pushstreamd: gap (trimmed): events are missing for all\n")
	require.Contains(t, o.stderr, "pushstreamd: to go on from here: --since x.3-0\n")
	require.Equal(t, "GET /events?envelope=1&session=s&topic=news&topic=c&user=alice Bearer secret", n.asked[0])
}

func TestTailPrintsEnvelopes(t *testing.T) {
	n := newFakeNode(t, streams(helloBlock, eventBlock(2, "{\"s\":\t\"<\u009b31m\u202e\U000E0001é\"}"), "data: {\"type\":\"a.c\",\"target\":\"all\",\"data\":1}\n\n"))
	o := (&clientRun{}).do(t, "tail", "--url", n.URL, "--count", "2", "--output", "json")
	require.Zero(t, o.code, o.stderr)
	lines := strings.Split(o.stdout, "\n")
	// It is compared as a text: what is escaped counts.
	require.Equal(t, []string{
		`{"id":"x.2-0","type":"a.b","target":"topic:news","data":{"s":"<\u009b31m\u202e\udb40\udc01é"},"time":"2026-11-23T13:45:11.651Z"}`,
		`{"type":"a.c","target":"all","data":1}`, "",
	}, lines)
	var again struct{ Data struct{ S string } }
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &again))
	require.Equal(t, "<\u009b31m\u202e\U000E0001é", again.Data.S, "it means the same")
}

func TestTailShowsNothingThatATerminalObeys(t *testing.T) {
	e := client.Event{Type: "a\x1b[2J", Target: "b\u009b", Data: json.RawMessage("\"\u009b31m\x7f\u202e\"\t1")}
	for _, colours := range []bool{false, true} {
		text, err := formatPretty(colours)(e)
		require.NoError(t, err)
		require.Equal(t, colours, strings.Contains(text, "\x1b[1ma"), text)
		require.Contains(t, text, `a\u001b[2J`)
		require.Contains(t, text, `b\u009b`)
		require.Contains(t, text, `"\u009b31m\u007f\u202e" 1`)
		require.True(t, strings.HasSuffix(text, "\n"))
	}
	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	require.False(t, colourful(program{stdout: file}), "a file wants no colours")
	require.NoError(t, file.Close())
}

func TestTailUntilCtrlC(t *testing.T) {
	n := newFakeNode(t, streams(helloBlock, liveBlock, eventBlock(7, "1")))
	r := &clientRun{caught: make(chan os.Signal, 1)}
	r.onWrite = func(string) { r.caught <- os.Interrupt }
	o := r.do(t, "tail", "--url", n.URL)
	require.Zero(t, o.code)
	require.Equal(t, "pushstreamd: to go on from here: --since x.7-0\n", o.stderr)
}

func TestTailNamesNothingThatCouldNotBePrinted(t *testing.T) {
	n := newFakeNode(t, streams(helloBlock, eventBlock(2, "1"), eventBlock(3, "2"), eventBlock(4, "3")))
	for printed, want := range map[int]string{0: "x.0-0", 1: "x.2-0", 2: "x.3-0"} {
		var stderr strings.Builder
		p := program{stdout: &fullAfter{writes: printed}, stderr: &stderr, signals: func() (<-chan os.Signal, func()) { return nil, func() {} }}
		require.Equal(t, exitFailure, p.main(t.Context(), []string{"tail", "--url", n.URL, "--since", "x.0-0"}))
		require.Contains(t, stderr.String(), "pushstreamd: to go on from here: --since "+want+"\n")
		require.Contains(t, stderr.String(), "no space left")
	}
}

// fullAfter is an output that is full after so many writes.
type fullAfter struct{ writes int }

// Write fails once it is full.
func (f *fullAfter) Write(b []byte) (int, error) {
	if f.writes == 0 {
		return 0, syscall.ENOSPC
	}
	f.writes--
	return len(b), nil
}

func TestTailTellsAGapOfWhicheverTargets(t *testing.T) {
	n := newFakeNode(t, streams(helloBlock, "data: {\"type\":\"pushstream.gap\",\"data\":{\"reason\":\"lost\"}}\n\n", eventBlock(3, "1")))
	o := (&clientRun{}).do(t, "tail", "--url", n.URL, "--count", "1")
	require.Zero(t, o.code, o.stderr)
	require.Contains(t, o.stderr, "pushstreamd: gap (lost): events are missing\n")
}

func TestTailExitCodes(t *testing.T) {
	bye := "data: {\"type\":\"pushstream.bye\",\"data\":{\"reason\":\"revoked\"}}\n\n"
	for name, c := range map[string]struct {
		node http.HandlerFunc
		args string
		want int
	}{
		"time is up":           {streams(helloBlock), "--timeout 300ms", exitOK},
		"fewer than asked for": {streams(helloBlock, eventBlock(2, "1")), "--timeout 300ms --count 2", exitFailure},
		"no stream":            {says(503, "{}"), "--timeout 100ms", exitUnavailable},
		"no ticket":            {says(403, `{"code":"forbidden"}`), "--ticket", exitForbidden},
		"token":                {says(401, `{"code":"token_invalid"}`), "", exitForbidden},
		"revoked":              {streams(helloBlock, bye), "", exitForbidden},
		"stopped":              {says(204, ""), "", exitFailure},
		"no such thing":        {says(404, ""), "", exitFailure},
		"output":               {nil, "--output xml", exitUsage},
		"count":                {nil, "--count -1", exitUsage},
		"timeout":              {nil, "--timeout -1s", exitUsage},
		"argument":             {nil, "news", exitUsage},
		"URL":                  {nil, "--url news", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(t, c.node)
			o := (&clientRun{environ: []string{envClientURL + "=" + n.URL}}).do(t, append([]string{"tail"}, strings.Fields(c.args)...)...)
			require.Equal(t, c.want, o.code, o.stderr)
			if c.node == nil {
				require.Empty(t, n.asked)
			}
		})
	}
}
