package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"
)

// A driver makes readers read until the test ends. Each comes back by the means of its client.
type driver func(t *testing.T, types []string, readers ...*reader)

// subscription returns the query of GET /events for some targets in development mode.
func subscription(targets []string, envelope bool) string {
	query := make(url.Values)
	for _, target := range targets {
		kind, id, _ := strings.Cut(target, ":")
		query.Add(kind, id)
	}
	if envelope {
		query.Set("envelope", "1")
	}
	return query.Encode()
}

// withEventSource reads with the eventsource package of npm.
func withEventSource(t *testing.T, types []string, readers ...*reader) {
	t.Helper()
	withScript(t, "eventsource", types, readers)
}

// withChromium reads with the browser's own EventSource, each reader in a profile of its own. The pages are of another
// origin than the node.
func withChromium(t *testing.T, types []string, readers ...*reader) {
	t.Helper()
	withScript(t, "chromium", types, readers)
}

func withScript(t *testing.T, kind string, types []string, readers []*reader) {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	}))
	t.Cleanup(page.Close)
	type stream struct {
		Name  string   `json:"name"`
		URL   string   `json:"url"`
		Types []string `json:"types"`
	}
	var streams []stream
	named := make(map[string]*reader)
	for _, r := range readers {
		named[r.name] = r
		s := stream{Name: r.name, URL: r.url(), Types: []string{}}
		if !r.envelope {
			s.Types = append(types, "pushstream.hello", "pushstream.gap", "pushstream.live", "pushstream.bye")
		}
		streams = append(streams, s)
	}
	config, err := json.Marshal(map[string]any{"page": page.URL, "readers": streams})
	require.NoError(t, err)
	startProcess(t, exec.Command("node", "read.mjs", kind, string(config)), func(line string) {
		var m struct {
			message

			Reader string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || named[m.Reader] == nil {
			t.Errorf("read.mjs said: %s", line)
			return
		}
		if m.Type == "closed" {
			named[m.Reader].fail("the client has given up")
			return
		}
		named[m.Reader].take(m.message)
	})
}

// inBackground runs read for each reader until the test ends, and waits for it.
func inBackground(t *testing.T, readers []*reader, read func(context.Context, *reader)) {
	t.Helper()
	ctx := t.Context() // ends before the cleanups run
	var group sync.WaitGroup
	for _, r := range readers {
		group.Go(func() {
			read(ctx, r)
			if ctx.Err() == nil {
				r.fail("the client has given up")
			}
		})
	}
	t.Cleanup(group.Wait)
}

// streamClient has no timeout, and no connection that outlives its stream.
func streamClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// withGoSSE reads with github.com/tmaxmax/go-sse.
func withGoSSE(t *testing.T, _ []string, readers ...*reader) {
	t.Helper()
	inBackground(t, readers, func(ctx context.Context, r *reader) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), http.NoBody)
		if err != nil {
			r.fail(err.Error())
			return
		}
		client := sse.Client{HTTPClient: streamClient()}
		connection := client.NewConnection(request)
		connection.Buffer(nil, 1<<20)
		connection.SubscribeToAll(func(e sse.Event) {
			r.take(message{ID: e.LastEventID, Type: e.Type, Data: e.Data})
		})
		if err = connection.Connect(); !errors.Is(err, context.Canceled) {
			r.fail(err.Error())
		}
	})
}

// withLaunchDarkly reads with github.com/launchdarkly/eventsource.
func withLaunchDarkly(t *testing.T, _ []string, readers ...*reader) {
	t.Helper()
	inBackground(t, readers, func(ctx context.Context, r *reader) {
		stream, err := eventsource.SubscribeWithURL(r.url(),
			eventsource.StreamOptionHTTPClient(streamClient()),
			eventsource.StreamOptionErrorHandler(func(error) eventsource.StreamErrorHandlerResult {
				return eventsource.StreamErrorHandlerResult{CloseNow: ctx.Err() != nil}
			}))
		if err != nil {
			r.fail(err.Error())
			return
		}
		context.AfterFunc(ctx, stream.Close)
		for e := range stream.Events {
			r.take(message{ID: e.Id(), Type: e.Event(), Data: e.Data()})
		}
	})
}

// withCurl reads with curl -N, and starts it again, with the last id, when it has ended.
func withCurl(t *testing.T, _ []string, readers ...*reader) {
	t.Helper()
	inBackground(t, readers, func(ctx context.Context, r *reader) {
		lastID := ""
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, "curl", "--no-buffer", "--silent", "--show-error", "--fail",
				"--header", "Accept: text/event-stream", "--header", "Last-Event-ID: "+lastID, r.url())
			cmd.SysProcAttr = dieWithParent()
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				r.fail(err.Error())
				return
			}
			lastID = readBlocks(out, lastID, r.take)
			if err = cmd.Wait(); err != nil && strings.Contains(err.Error(), "exit status 22") {
				r.fail("curl: the node refused the stream")
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// readBlocks reads whole SSE blocks to the end, as an application would that has nothing but curl, and returns the last id.
// A block without its blank line at the end does not count (HTML, section 9.2.6).
func readBlocks(in io.Reader, lastID string, take func(message)) string {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	m := message{ID: lastID}
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			m.ID = value
		case "event":
			m.Type = value
		case "data":
			m.Data = value
		case "":
			lastID = m.ID
			take(m)
			m = message{ID: lastID}
		}
	}
	return lastID
}
