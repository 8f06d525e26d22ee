package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/testutil/wirecorpus"
)

// TestCorpusInChromium holds the EventSource of a real browser to the wire corpus, whose format is described beside it: what
// is dispatched, the last id of each message (HTML, section 9.2.6), the id with which it comes back, and when.
//
// Each stream is sent whole, and in chunks of one and two bytes. How many of them the browser takes from its socket at once
// is its own affair, so its decoder is cut often, but not always, where the chunks are.
func TestCorpusInChromium(t *testing.T) {
	t.Parallel()
	cases := wirecorpus.Read[wirecorpus.DecodeCase](t, "../testdata/sse/decode.json")
	require.Greater(t, len(cases), 50)

	visits := make(map[string]*corpusVisits)
	tasks := []map[string]any{} // for the page
	for i, c := range cases {
		if c.Limit != nil { // a browser has none
			continue
		}
		types := []string{"message"}
		for _, m := range c.Messages {
			types = append(types, m.Type)
		}
		for _, size := range []int{0, 1, 2} {
			path := fmt.Sprintf("/%d/%d", i, size)
			visits[path] = &corpusVisits{DecodeCase: c, size: size}
			tasks = append(tasks, map[string]any{"path": path, "types": types})
		}
	}
	config, err := json.Marshal(tasks)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := visits[r.URL.Path]; v != nil {
			v.serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json") // the page
		_, _ = w.Write(config)                             // the browser would complain
	}))
	t.Cleanup(server.Close)
	heard := make(chan string, len(tasks)+1)
	startProcess(t, exec.Command("node", "corpus.mjs", server.URL), func(line string) { heard <- line })

	for range tasks {
		var got struct {
			Path     string
			Messages []message
		}
		require.NoError(t, json.Unmarshal([]byte(receive(t, heard)), &got))
		v := visits[got.Path]
		require.NotNil(t, v, got.Path)
		t.Run(fmt.Sprintf("%s/%s", v.Name, []string{"whole", "in chunks of one byte", "in chunks of two bytes"}[v.size]), func(t *testing.T) {
			t.Parallel()
			v.check(t, got.Messages)
		})
	}
}

// corpusVisits is how a browser comes for a case: three times. It is safe for concurrent use.
type corpusVisits struct {
	wirecorpus.DecodeCase

	size int // of a chunk in bytes; 0: all

	mu    sync.Mutex
	ids   []string // the Last-Event-ID of each visit
	ended time.Time
	away  time.Duration // how long it was away before the third visit
	err   error
}

// serve answers the first visit with the id of the connection before, the second one with the stream, and the third one
// with the news that there is no more, on which an EventSource gives up.
func (v *corpusVisits) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ids = append(v.ids, r.Header.Get("Last-Event-ID"))
	if len(v.ids) > 2 {
		v.away = time.Since(v.ended)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if len(v.ids) == 1 {
		_, v.err = fmt.Fprintf(w, "retry: 0\nid: %s\n\n", v.Resume)
		return
	}
	body := []byte(v.Stream)
	size := v.size
	if size == 0 {
		size = max(1, len(body))
	}
	chunks := 0
	for chunk := range slices.Chunk(body, size) {
		_, err := w.Write(chunk)
		// A million packets would say no more than so many.
		if chunks++; err == nil && chunks < 10_000 {
			err = http.NewResponseController(w).Flush()
		}
		v.err = errors.Join(v.err, err)
	}
	v.ended = time.Now()
}

// check compares a case with what a browser has dispatched, and with how it came back.
func (v *corpusVisits) check(t *testing.T, got []message) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	require.NoError(t, v.err)
	want := []message{}
	for _, m := range v.Messages {
		want = append(want, message{ID: m.ID, Type: m.Type, Data: string(m.Data)})
	}
	// Blink does not look at the byte behind a byte order mark: a line end there becomes the first byte of the next field's name.
	// A node writes no byte order mark.
	if v.Name != "byte order mark before a blank line" || len(got) != 0 {
		require.Equal(t, want, got)
	}
	// Go takes away the spaces around what a header says.
	require.Equal(t, []string{"", v.Resume, strings.TrimSpace(v.LastEventID)}, v.ids)
	if v.RetryMS != nil { // the page asks once more when that time is over, or later
		require.GreaterOrEqual(t, v.away, time.Duration(*v.RetryMS)*time.Millisecond)
	}
}
