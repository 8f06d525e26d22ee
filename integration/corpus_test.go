package integration_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCorpusInChromium holds the EventSource of a real browser to the wire corpus, whose format is described beside it: what
// is dispatched, the last id of each message (HTML, section 9.2.6), the id with which it comes back, and when.
//
// Each stream is sent whole, and in chunks of one and two bytes. How many of them the browser takes from its socket at once
// is its own affair, so its decoder is cut often, but not always, where the chunks are.
func TestCorpusInChromium(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "sse", "decode.json"))
	require.NoError(t, err)
	var cases []*corpusCase
	require.NoError(t, json.Unmarshal(b, &cases))
	require.Greater(t, len(cases), 50)

	visits := make(map[string]*corpusVisits)
	tasks := []map[string]any{} // for the page
	for i, c := range cases {
		if c.Limit != 0 {
			continue
		}
		types := []string{"message"}
		for _, m := range c.Messages {
			types = append(types, m.Type)
		}
		for _, size := range []int{0, 1, 2} {
			path := fmt.Sprintf("/%d/%d", i, size)
			visits[path] = &corpusVisits{corpusCase: c, size: size}
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

// corpusCase is what a case of the corpus says about browsers.
type corpusCase struct {
	Name, Resume string

	Stream   corpusText
	Messages []struct {
		ID, Type string

		Data corpusText
	}
	LastEventID string `json:"last_event_id"`
	RetryMS     int64  `json:"retry_ms"`
	Limit       int    // a browser has none
}

// corpusText is a string, or an array of parts.
type corpusText string

// UnmarshalJSON joins the parts.
func (x *corpusText) UnmarshalJSON(b []byte) error {
	var whole string
	if json.Unmarshal(b, &whole) == nil {
		*x = corpusText(whole)
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, raw := range parts {
		var part struct {
			Hex, Repeat string

			Times int
		}
		if json.Unmarshal(raw, &whole) == nil {
			*x += corpusText(whole)
			continue
		}
		if err := json.Unmarshal(raw, &part); err != nil {
			return err
		}
		bytes, err := hex.DecodeString(part.Hex)
		if err != nil {
			return err
		}
		*x += corpusText(bytes) + corpusText(strings.Repeat(part.Repeat, part.Times))
	}
	return nil
}

// corpusVisits is how a browser comes for a case: three times. It is safe for concurrent use.
type corpusVisits struct {
	*corpusCase

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
	// The page asks once more when that time is over, or later.
	require.GreaterOrEqual(t, v.away, time.Duration(v.RetryMS)*time.Millisecond)
}
