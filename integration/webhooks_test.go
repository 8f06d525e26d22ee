package integration_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// webhookSecret signs the deliveries of the tests.
const webhookSecret = "It's a Secret to Everybody"

// delivery is one of GitHub's real webhook payloads.
type delivery struct {
	id, event string
	payload   json.RawMessage
}

// eventType returns the type that a delivery is to be published as.
func (d delivery) eventType(t *testing.T) string {
	t.Helper()
	var p struct{ Action string }
	require.NoError(t, json.Unmarshal(d.payload, &p))
	if p.Action == "" {
		p.Action = "received"
	}
	return d.event + "." + p.Action
}

// octokitDeliveries returns the payloads of @octokit/webhooks-examples.
func octokitDeliveries(t *testing.T) []delivery {
	t.Helper()
	file, err := os.ReadFile("node_modules/@octokit/webhooks-examples/api.github.com/index.json")
	require.NoError(t, err)
	var events []struct {
		Name     string
		Examples []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(file, &events))
	var all []delivery
	for _, e := range events {
		for _, payload := range e.Examples {
			all = append(all, delivery{id: fmt.Sprintf("delivery-%d", len(all)), event: e.Name, payload: payload})
		}
	}
	require.Len(t, all, 329)
	// The file is sorted by event; in a stirred order topics and people take turns.
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// startReceiver runs examples/github-webhooks until the test ends, and returns its URL. pushstream is where it publishes, and
// where its page reads.
func startReceiver(t *testing.T, pushstream string) string {
	t.Helper()
	listen := redistest.FreeAddress(t)
	cmd := exec.Command(program(t, "./examples/github-webhooks"))
	cmd.Env = append(os.Environ(), "LISTEN="+listen, "GITHUB_WEBHOOK_SECRET="+webhookSecret, "NODE_URL="+pushstream)
	startProcess(t, cmd, nil)
	waitFor(t, "http://"+listen+"/")
	return "http://" + listen
}

// deliver sends a delivery as GitHub does.
func deliver(t *testing.T, receiver string, d delivery) {
	t.Helper()
	status, err := tryDelivery(receiver, d)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s %s", d.id, d.event)
}

// tryDelivery sends a delivery and returns the status of the answer.
func tryDelivery(receiver string, d delivery) (status int, err error) {
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(d.payload)
	request, err := http.NewRequest(http.MethodPost, receiver+"/webhook", bytes.NewReader(d.payload))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", d.event)
	request.Header.Set("X-GitHub-Delivery", d.id)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := httpClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// published is an event that the node has acknowledged.
type published struct {
	id      string
	key     string
	kind    string
	targets []string
	data    json.RawMessage
}

// recorder stands between a publisher and a node and writes down what the node acknowledges.
type recorder struct {
	t    *testing.T
	node *node

	mu           sync.Mutex
	acknowledged []published
	refused      []string
}

// startRecorder returns a recorder in front of a node, and its URL.
func startRecorder(t *testing.T, n *node) (*recorder, string) {
	t.Helper()
	rec := &recorder{t: t, node: n}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	return rec, server.URL
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	response, err := httpClient.Post(rec.node.URL+r.URL.Path, r.Header.Get("Content-Type"), bytes.NewReader(body))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		rec.mu.Lock()
		rec.refused = append(rec.refused, fmt.Sprintf("%s: %s", response.Status, answer))
		rec.mu.Unlock()
	} else {
		rec.note(body, answer)
	}
	w.WriteHeader(response.StatusCode)
}

func (rec *recorder) note(event, answer []byte) {
	var e struct {
		Key, Type string
		Targets   []string
		Data      json.RawMessage
	}
	var a struct{ IDs map[string]string }
	if err := json.Unmarshal(event, &e); err != nil {
		rec.t.Errorf("the receiver published %s: %v", event, err)
		return
	}
	if err := json.Unmarshal(answer, &a); err != nil || len(a.IDs) != len(e.Targets) {
		rec.t.Errorf("the node answered %s for targets %v", answer, e.Targets)
		return
	}
	p := published{key: e.Key, kind: e.Type, targets: e.Targets, data: e.Data}
	for _, p.id = range a.IDs {
		if p.id != a.IDs[e.Targets[0]] {
			rec.t.Errorf("one event has several ids: %s", answer)
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.acknowledged = append(rec.acknowledged, p)
}

// since returns what was acknowledged after the first n events.
func (rec *recorder) since(n int) []published {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.acknowledged[n:])
}

// refusals returns what was answered to publishes that were not acknowledged.
func (rec *recorder) refusals() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.refused)
}

// endType is the type of the event, for all, that ends the feed: what a reader does not have by then, it will never have.
const endType = "feed.ended"

// webhookFeed is what comes of GitHub's deliveries, and who reads it.
type webhookFeed struct {
	t          *testing.T
	deliveries []delivery
	node       *node    // or the balancer in front of several
	types      []string // of its events
	record     *recorder
	receiver   string
	readers    map[*reader]int // and how many events had been acknowledged before each subscribed
}

func startFeed(t *testing.T, n *node) *webhookFeed {
	t.Helper()
	f := &webhookFeed{t: t, deliveries: octokitDeliveries(t), node: n, types: []string{endType}, readers: make(map[*reader]int)}
	var url string
	f.record, url = startRecorder(t, n)
	f.receiver = startReceiver(t, url)
	for _, d := range f.deliveries {
		if kind := d.eventType(t); !slices.Contains(f.types, kind) {
			f.types = append(f.types, kind)
		}
	}
	return f
}

// start starts readers and waits until they have subscribed.
func (f *webhookFeed) start(drive driver, rs ...*reader) {
	f.t.Helper()
	drive(f.t, f.types, rs...)
	allOf(f.t, rs, "subscribed", established)
	for _, r := range rs {
		f.readers[r] = len(f.record.since(0))
	}
}

// What the readers of a feed read.
const busyTopic, otherTopic, thirdTopic = "topic:Codertocat/Hello-World", "topic:Octocoders/Hello-World", "topic:octo-org/octo-repo"

// startAll starts a reader of each kind, and more.
func (f *webhookFeed) startAll() {
	f.t.Helper()
	add := func(name string, targets ...string) *reader { return newReader(f.t, f.node, name, targets...) }
	f.start(withEventSource,
		add("eventsource busy topic", busyTopic), add("eventsource person and topics", "user:octocat", thirdTopic, otherTopic).inEnvelopes())
	f.start(withGoSSE, add("go-sse person", "user:Codertocat"), add("go-sse two topics", otherTopic, thirdTopic).inEnvelopes())
	f.start(withLaunchDarkly,
		add("launchdarkly all the same events twice over", busyTopic, "user:Codertocat"), add("launchdarkly quiet person", "user:monalisa"))
	f.start(withCurl, add("curl topics", busyTopic, otherTopic, thirdTopic), add("curl bot", "user:github-pages[bot]"))
	f.start(withChromium,
		add("chromium busy topic", busyTopic), add("chromium person and topic", "user:Codertocat", thirdTopic).inEnvelopes(),
		add("chromium person", "user:octocat"))
}

// startLate starts readers that were not there from the beginning.
func (f *webhookFeed) startLate() {
	f.t.Helper()
	f.start(withCurl, newReader(f.t, f.node, "curl, late", busyTopic, "user:octocat"))
	f.start(withChromium, newReader(f.t, f.node, "chromium, late", "user:Codertocat").inEnvelopes())
}

// stages is how many parts the deliveries come in.
const stages = 8

// part returns the deliveries of a stage.
func (f *webhookFeed) part(stage int) []delivery {
	return f.deliveries[stage*len(f.deliveries)/stages : (stage+1)*len(f.deliveries)/stages]
}

// sorted returns the readers by their names.
func (f *webhookFeed) sorted() []*reader {
	return slices.SortedFunc(maps.Keys(f.readers), func(a, b *reader) int { return strings.Compare(a.name, b.name) })
}

// end ends the feed, and checks that each reader has exactly its part of all that was acknowledged. tolerated says which
// faults of readers are to be expected.
func (f *webhookFeed) end(all []published, tolerated func(fault string) bool) {
	f.t.Helper()
	f.node.publish(`{"target": "all", "type": "` + endType + `", "data": null}`)
	for r, before := range f.readers {
		allOf(f.t, []*reader{r}, "at the end of the feed", func(r *reader) bool { return r.last() == endType })
		requireExactly(f.t, r, all[before:], tolerated)
	}
}

func TestGitHubWebhooks(t *testing.T) {
	f := startFeed(t, startNode(t, "--stream-retry", "200ms"))
	f.startAll()
	for stage := range stages {
		if stage == stages/2 {
			f.startLate()
		}
		comeAndGo(t, f.sorted(), stage, established, func() {
			for _, d := range f.part(stage) {
				deliver(t, f.receiver, d)
			}
		})
	}
	deliver(t, f.receiver, f.deliveries[0]) // delivered again: the same event, not a second one

	require.Empty(t, f.record.refusals())
	all := f.record.since(0)
	all, again := all[:len(all)-1], all[len(all)-1]
	requirePublished(t, f.deliveries, all)
	require.Equal(t, all[0], again, "the answer to the second delivery")
	f.end(all, func(string) bool { return false })
}

// comeAndGo breaks readers' connections, each in another way at each stage, while feed runs, and returns when all readers
// are back.
func comeAndGo(t *testing.T, all []*reader, stage int, back func(*reader) bool, feed func()) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, uint64(stage)))
	for i, r := range all {
		switch (i + stage) % 4 {
		case 0: // stays
		case 1: // comes back at once
			r.proxy.cut(false)
		case 2: // is away for all of it
			r.proxy.cut(true)
		default: // breaks in the middle of a block
			r.proxy.cutAfter(1 + random.IntN(20_000))
		}
	}
	feed()
	for _, r := range all {
		r.proxy.cutNow()
		r.proxy.release()
	}
	allOf(t, all, "back", back)
}

// requirePublished checks what the receiver made of the deliveries.
func requirePublished(t *testing.T, deliveries []delivery, all []published) {
	t.Helper()
	byKey := make(map[string]published)
	for _, p := range all {
		byKey[p.key] = p
	}
	require.Len(t, byKey, len(all), "keys are unique")
	var aboutNobody []string
	for _, d := range deliveries {
		p, ok := byKey[d.id]
		if !ok {
			aboutNobody = append(aboutNobody, d.event)
			continue
		}
		require.Equal(t, d.eventType(t), p.kind)
		requireSameJSON(t, d.payload, p.data)
		var about struct {
			Repository struct {
				Name string `json:"full_name"`
			}
			Sender struct{ Login, Type string }
		}
		require.NoError(t, json.Unmarshal(d.payload, &about))
		if about.Repository.Name != "" {
			require.Contains(t, p.targets, "topic:"+about.Repository.Name)
		}
		if about.Sender.Type == "User" {
			require.Contains(t, p.targets, "user:"+about.Sender.Login)
		}
	}
	require.Equal(t, slices.Repeat([]string{"security_advisory"}, 4), aboutNobody)
}

// requireExactly checks that a reader has the events of its targets, in order, each once, then the end, and nothing else.
func requireExactly(t *testing.T, r *reader, all []published, tolerated func(fault string) bool) {
	t.Helper()
	got, faults := r.received()
	require.Empty(t, slices.DeleteFunc(faults, tolerated), r.name)
	want := forTargets(all, r.targets...)
	require.NotEmpty(t, want, "%s is of no use", r.name)
	for i, p := range want {
		require.Less(t, i, len(got), "%s: event %d of %d is missing", r.name, i+1, len(want))
		require.Equal(t, p.id+" "+p.kind, got[i].ID+" "+got[i].Type, "%s: event %d of %d", r.name, i+1, len(want))
		requireSameJSON(t, p.data, []byte(got[i].Data))
	}
	require.Len(t, got, len(want)+1, "%s has more than it should", r.name)
	t.Logf("%-45s %3d events, %d streams", r.name, len(want), r.hellos())
}

// requireSameJSON compares values, with numbers as they are spelled.
func requireSameJSON(t *testing.T, want, got []byte) {
	t.Helper()
	var values [2]any
	for i, text := range [][]byte{want, got} {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&values[i]))
	}
	require.Equal(t, values[0], values[1])
}
