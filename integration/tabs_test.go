package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clientBuild builds the npm client, once for all tests, and returns the folder.
var clientBuild = sync.OnceValues(func() (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "client")
	cmd := exec.Command("npx", "tsdown", "--out-dir", dir, "--no-dts")
	cmd.Dir = filepath.Join("..", "clients", "js")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build clients/js: %w\n%s", err, out)
	}
	return dir, nil
})

// startApplication serves the page that reads with the npm client, from an origin of its own, and returns its address. token,
// unless nil, answers /token.
func startApplication(t *testing.T, token http.HandlerFunc) string {
	t.Helper()
	client, err := clientBuild()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>Tab</title><link rel="icon" href="data:,"><script type="module" src="tabpage.mjs"></script>`)
	})
	mux.HandleFunc("/tabpage.mjs", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "tabpage.mjs") })
	mux.Handle("/client/", http.StripPrefix("/client/", http.FileServerFS(os.DirFS(client))))
	if token != nil {
		mux.HandleFunc("/token", token)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// applicationBehindNginx starts nginx with its file of deploy/ in front of some nodes, and of the application at /app/, as
// one origin. What nginx left out is tried again sooner than in the file; changes replace old by new in it.
func applicationBehindNginx(t *testing.T, nodes []*node, changes ...string) *node {
	t.Helper()
	nginx := balancers[0]
	return nginx.start(t, nginx.read(t), nodes, append(changes,
		"location / {", "location /app/ { proxy_pass "+startApplication(t, nil)+"/; }\n location / {",
		"fail_timeout=5s", "fail_timeout=1s")...).node
}

// glance is how often a test looks whether something has come.
const glance = 20 * time.Millisecond

// compact returns JSON without spaces.
func compact(text json.RawMessage) json.RawMessage {
	return json.RawMessage(strings.ReplaceAll(string(text), " ", ""))
}

// browser is a real one.
type browser struct {
	*process

	mu      sync.Mutex
	number  int
	answers map[int]chan tabAnswer
}

type tabAnswer struct {
	Number    int
	Value     json.RawMessage
	Error     string
	Complaint string
}

// startBrowser starts one; args are those of tabs.mjs.
func startBrowser(t *testing.T, args ...string) *browser {
	t.Helper()
	b := &browser{answers: make(map[int]chan tabAnswer)}
	b.process = startProcess(t, exec.Command("node", append([]string{"tabs.mjs"}, args...)...), func(line string) {
		var answer tabAnswer
		if err := json.Unmarshal([]byte(line), &answer); err != nil || answer.Complaint != "" {
			t.Errorf("tabs.mjs said: %s", line)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.answers[answer.Number] <- answer // there is room for it
		delete(b.answers, answer.Number)
	})
	return b
}

// command lets the browser do something, and returns the answer. It is safe for concurrent use.
func (b *browser) command(do string, about map[string]string) (json.RawMessage, error) {
	answer := make(chan tabAnswer, 1)
	b.mu.Lock()
	b.number++
	line := map[string]any{"number": b.number, "do": do}
	for name, value := range about {
		line[name] = value
	}
	b.answers[b.number] = answer
	err := json.NewEncoder(b.stdin).Encode(line)
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a.Value, nil
	case <-b.ended:
		return nil, errors.New("the browser has ended")
	case <-time.After(patience):
		return nil, fmt.Errorf("the browser does not answer to %s", do)
	}
}

// tab is one of a browser, in which an application reads with the npm client. One goroutine at a time.
type tab struct {
	t       *testing.T
	browser *browser
	name    string
	notes   []note // what the stream said, in all pages that the tab has had
}

// note is something that the stream of a tab said.
type note struct {
	At   int64  // milliseconds since 1970
	Page string // differs from page to page
	Kind string // event, gap, live, phase, error; token and shown are the page's own

	ID, Type, Target string // of an event
	Data             json.RawMessage
	Targets          []string // of a gap
	Reason           string
	Resumed          string // of live
	Phase            string
	Code             string // of an error
	Status           int    // of an error, and of the answer to a token's request
	Retryable        bool
	Rejected         bool // of a token
	Persisted        bool // of shown
}

// open opens a tab with the application at an address. options are those of its stream.
func (b *browser) open(profile, name, page string, options map[string]any) *tab {
	b.t.Helper()
	text, err := json.Marshal(options)
	require.NoError(b.t, err)
	return b.visit(profile, name, page+"?"+url.Values{"options": {string(text)}}.Encode())
}

// visit opens a tab with any page, in a profile of its own or one that it has in common with others.
func (b *browser) visit(profile, name, page string) *tab {
	b.t.Helper()
	_, err := b.command("open", map[string]string{"tab": name, "profile": profile, "url": page})
	require.NoError(b.t, err)
	return &tab{t: b.t, browser: b, name: name}
}

// do lets somebody reload the tab, close it, and so on.
func (t *tab) do(what string) {
	t.t.Helper()
	_, err := t.browser.command(what, map[string]string{"tab": t.name})
	require.NoError(t.t, err)
}

// run returns the value of an expression in the page, as JSON.
func (t *tab) run(script string) json.RawMessage {
	t.t.Helper()
	value, err := t.value(script)
	require.NoError(t.t, err)
	return value
}

// value is run, for when there may be no page at the moment.
func (t *tab) value(script string) (json.RawMessage, error) {
	return t.browser.command("run", map[string]string{"tab": t.name, "script": script})
}

// awaitValue waits until an expression has a text as its value.
func (t *tab) awaitValue(script, text string) {
	t.t.Helper()
	var got string
	var err error
	defer func() {
		if got != text {
			t.t.Logf("tab %s: %s is %q and not %q; the last look: %v", t.name, script, got, text, err)
		}
	}()
	require.Eventually(t.t, func() bool {
		var value json.RawMessage
		value, err = t.value(script)
		return err == nil && json.Unmarshal(value, &got) == nil && got == text
	}, patience, glance)
}

// awaitText waits until the page shows a text where a selector says.
func (t *tab) awaitText(selector, text string) {
	t.t.Helper()
	t.awaitValue(fmt.Sprintf("document.querySelector(%q).textContent", selector), text)
}

// look reads what has been noted since.
func (t *tab) look() error {
	text, err := t.value(fmt.Sprintf("notes(%d)", len(t.notes)))
	if err != nil {
		return err // for a moment there is no page, or it has not run its script yet
	}
	var more []note
	if err = json.Unmarshal(text, &more); err == nil {
		t.notes = append(t.notes, more...)
	}
	return err
}

// lookAt looks at many tabs at the same time.
func lookAt(tabs []*tab) error {
	failed := make([]error, len(tabs))
	var group sync.WaitGroup
	for i, tab := range tabs {
		group.Go(func() { failed[i] = tab.look() })
	}
	group.Wait()
	return errors.Join(failed...)
}

// await waits until something holds for what was noted.
func (t *tab) await(what string, holds func() bool) {
	t.t.Helper()
	var err error
	done := false
	defer func() {
		if done {
			return
		}
		for _, n := range t.notes[max(0, len(t.notes)-30):] {
			t.t.Logf("tab %s: %+v", t.name, n)
		}
		t.t.Logf("tab %s: not %s; the last look: %v", t.name, what, err)
	}()
	require.Eventually(t.t, func() bool {
		err = t.look()
		done = err == nil && holds()
		return done
	}, patience, glance)
}

// count returns how many notes something holds for.
func (t *tab) count(holds func(note) bool) (count int) {
	for _, n := range t.notes {
		if holds(n) {
			count++
		}
	}
	return count
}

func hasLive(n note) bool { return n.Kind == "live" }

func hasGap(n note) bool { return n.Kind == "gap" }

// awaitLive waits until the stream has been live so many times.
func (t *tab) awaitLive(times int) {
	t.t.Helper()
	t.await(fmt.Sprintf("live %d times", times), func() bool { return t.count(hasLive) >= times })
}

// awaitEvent waits for the event with an id.
func (t *tab) awaitEvent(id string) {
	t.t.Helper()
	t.await("given "+id, func() bool { return t.count(func(n note) bool { return n.ID == id }) > 0 })
}

// events returns the events that were handed over, as message of the wire.
func (t *tab) events() (events []message) {
	for _, n := range t.notes {
		if n.Kind == "event" {
			events = append(events, message{ID: n.ID, Type: n.Type, Data: string(n.Data)})
		}
	}
	return events
}

// requireAll checks that each event that was published was handed over once, in order, and that the tab was told of no gap.
func (t *tab) requireAll(all []published) {
	t.t.Helper()
	want := make([]published, len(all))
	for i, p := range all { // JSON that has been through a program has no spaces
		want[i] = p
		want[i].data = compact(p.data)
	}
	require.Equal(t.t, tally{}, tallyOf(t.t, t.events(), want), "tab %s", t.name)
	require.Zero(t.t, t.count(hasGap), "tab %s: %+v", t.name, t.notes)
}

// requireAllOf stops a load, and checks that the tab has all of it.
func (t *tab) requireAllOf(l *load) {
	t.t.Helper()
	all := l.stop()
	t.awaitEvent(all[len(all)-1].id)
	t.requireAll(all)
}

// aliceOptions are those of a stream that alice reads through the balancer that has her page, too.
func aliceOptions() map[string]any { return map[string]any{"url": "/events?user=alice"} }

// openAlice opens a browser in which alice reads by applicationBehindNginx, and waits until her tab is live.
func openAlice(t *testing.T, nodes []*node, changes ...string) *tab {
	t.Helper()
	nginx := applicationBehindNginx(t, nodes, changes...)
	tab := startBrowser(t).open("alice", "alice", nginx.URL+"/app/", aliceOptions())
	tab.awaitLive(1)
	return tab
}
