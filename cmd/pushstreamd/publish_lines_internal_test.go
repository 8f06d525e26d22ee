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

	"github.com/stretchr/testify/require"
)

// event returns a line.
func eventLine(n int) string {
	return fmt.Sprintf(`{"target":"all","type":"a.b","data":%d,"key":"k%d"}`+"\n", n, n)
}

// storing answers batches with ids that follow from the keys; those over so many bytes it refuses.
func storing(n **fakeNode, most int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		(*n).mu.Lock()
		body := (*n).bodies[len((*n).bodies)-1]
		(*n).mu.Unlock()
		if len(body) > most {
			says(413, `{"code":"body_too_large"}`)(w, r)
			return
		}
		var events []struct{ Key string }
		if err := json.Unmarshal([]byte(body), &events); err != nil {
			panic(err)
		}
		var results []string
		for _, e := range events {
			results = append(results, `{"id":"id-`+e.Key+`"}`)
		}
		says(200, `{"results":[`+strings.Join(results, ",")+`]}`)(w, r)
	}
}

// typed is standard input that somebody types. It ends with the test, so that its reader does.
func typed(t *testing.T) (io.Reader, func(text string)) {
	t.Helper()
	in, out := io.Pipe()
	t.Cleanup(func() { require.NoError(t, out.Close()) })
	return in, func(text string) { _, _ = io.WriteString(out, text) }
}

func TestPublishLinesAsTheyCome(t *testing.T) {
	var n *fakeNode
	n = newFakeNode(t, storing(&n, 1<<20))
	in, out := io.Pipe()
	printed := make(chan string, 10)
	ended := make(chan *clientRun)
	go func() { // received below
		ended <- (&clientRun{pipe: in, onWrite: func(text string) { printed <- text }}).do(t, "publish", "--batch", "--url", n.URL)
	}()
	for i := range 3 {
		_, err := io.WriteString(out, eventLine(i))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("id-k%d\n", i), <-printed, "without further lines, and without an end")
	}
	require.NoError(t, out.Close())
	o := <-ended
	require.Zero(t, o.code, o.stderr)
}

func TestPublishLinesUntilASignal(t *testing.T) {
	many := make([]string, 5000)
	for i := range many {
		many[i] = eventLine(2 + i)
	}
	for name, c := range map[string]struct {
		behind string // what comes behind the two lines that are printed, before the signal
		code   int
		stderr string
	}{
		"a pause":        {"", exitOK, ""},
		"lines":          {strings.Join(many, ""), exitFailure, ""},
		"part of a line": {"\n" + eventLine(2)[:9], exitFailure, "pushstreamd: interrupted: line 4 was not sent, and nothing behind it was tried\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var n *fakeNode
			n = newFakeNode(t, storing(&n, 1<<20))
			in, write := typed(t)
			r := &clientRun{pipe: in, caught: make(chan os.Signal, 1)}
			r.onWrite = func(text string) {
				if text != "id-k1\n" {
					return
				}
				if len(c.behind) > 100 {
					go write(c.behind) // it ends with the pipe
				} else {
					write(c.behind)
				}
				r.caught <- syscall.SIGTERM
			}
			go write(eventLine(0) + eventLine(1)) // it ends when they are read
			r.do(t, "publish", "--batch", "--url", n.URL)
			require.Equal(t, c.code, r.code, r.stderr)
			sent := len(n.keys(t))
			require.Equal(t, sent, strings.Count(r.stdout, "id-k"))
			if name == "lines" {
				c.stderr = fmt.Sprintf("pushstreamd: interrupted: line %d was not sent, and nothing behind it was tried\n", sent+1)
			}
			require.Equal(t, c.stderr, r.stderr)
		})
	}
}

// keys returns the keys of all batches in order.
func (n *fakeNode) keys(t *testing.T) (keys []string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, body := range n.bodies {
		var events []struct{ Key string }
		require.NoError(t, json.Unmarshal([]byte(body), &events))
		for _, e := range events {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func TestPublishLinesGoesOnBehindAnEventThatIsTooLarge(t *testing.T) {
	var n *fakeNode
	n = newFakeNode(t, storing(&n, 2000))
	large := strings.Replace(eventLine(1), `"data":1`, `"data":"`+strings.Repeat("x", 3000)+`"`, 1)
	o := (&clientRun{stdin: eventLine(0) + large + eventLine(2) + eventLine(3)}).do(t, "publish", "--batch", "--url", n.URL)
	require.Equal(t, exitFailure, o.code)
	require.Equal(t, "id-k0\n-\nid-k2\nid-k3\n", o.stdout)
	require.Contains(t, o.stderr, "line 2: status 413 (body_too_large)")
	require.Contains(t, o.stderr, "pushstreamd: 1 events were not stored\n")
}

// What may be stored later must not be overtaken: also where each request fails in a way that is no matter of the node's.
func TestPublishLinesStopsBehindWhatIsNotStored(t *testing.T) {
	var lines strings.Builder
	for i := range 1200 {
		lines.WriteString(eventLine(i))
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   int
		stderr string
	}{
		"a page":       {says(200, "<html>"), exitFailure, "are not known to be stored"},
		"another page": {says(404, "<html>"), exitFailure, "were not stored"},
		"down":         {says(503, `{"code":"unavailable"}`), exitUnavailable, "are not known to be stored"},
	} {
		t.Run(name, func(t *testing.T) {
			var n *fakeNode
			n = newFakeNode(t, c.answer, storing(&n, 1<<20))
			timeout := "1m"
			if name == "down" {
				n, timeout = newFakeNode(t, c.answer), "500ms"
			}
			o := (&clientRun{stdin: lines.String()}).do(t, "publish", "--batch", "--url", n.URL, "--timeout", timeout)
			require.Equal(t, c.code, o.code)
			tried := strings.Count(o.stdout, "\n") // a batch; where lines come slowly it is less than a full one
			require.LessOrEqual(t, tried, batchLines)
			require.Positive(t, tried)
			require.Equal(t, strings.Repeat("-\n", tried), o.stdout)
			require.Contains(t, o.stderr, fmt.Sprintf("pushstreamd: %d events %s, and nothing behind line %d was tried\n", tried, c.stderr, tried))
		})
	}
}

func TestPublishLinesThatAreTooLong(t *testing.T) {
	var n *fakeNode
	n = newFakeNode(t, storing(&n, 1<<20))
	long := io.LimitReader(endless{}, maxInput)
	o := (&clientRun{pipe: io.MultiReader(strings.NewReader(eventLine(0)+"\n"), long, strings.NewReader("\n"+eventLine(1)))}).do(t, "publish", "--batch", "--url", n.URL)
	require.Equal(t, exitFailure, o.code)
	require.Equal(t, "id-k0\n", o.stdout)
	require.Equal(t, "pushstreamd: line 3 has 67108864 bytes or more, which is too long: it was not published, and nothing behind it was tried\n", o.stderr)
}

// endless is a line without an end.
type endless struct{}

// Read fills the buffer.
func (endless) Read(b []byte) (int, error) {
	return copy(b, strings.Repeat("x", len(b))), nil
}

func TestPublishLinesThatCannotBePrinted(t *testing.T) {
	var n *fakeNode
	n = newFakeNode(t, storing(&n, 1<<20))
	var stderr strings.Builder
	p := program{
		stdin: strings.NewReader(eventLine(0) + eventLine(1)), stdout: &fullAfter{writes: 1}, stderr: &stderr,
		signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
	}
	require.Equal(t, exitFailure, p.main(t.Context(), []string{"publish", "--batch", "--url", n.URL}))
	require.Equal(t, "pushstreamd: line 2: the event is stored, with the id id-k1 and the key k1\npushstreamd: not all could be printed: write: no space left on device\n", stderr.String())
}
