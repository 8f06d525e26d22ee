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
	listen := freeAddress(t)
	cmd := exec.Command(program(t, "./examples/github-webhooks"))
	cmd.Env = append(os.Environ(), "LISTEN="+listen, "GITHUB_WEBHOOK_SECRET="+webhookSecret, "NODE_URL="+pushstream)
	startProcess(t, cmd, nil)
	waitFor(t, "http://"+listen+"/")
	return "http://" + listen
}

// deliver sends a delivery as GitHub does.
func deliver(t *testing.T, receiver string, d delivery) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(d.payload)
	request, err := http.NewRequest(http.MethodPost, receiver+"/webhook", bytes.NewReader(d.payload))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", d.event)
	request.Header.Set("X-GitHub-Delivery", d.id)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := httpClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s %s", d.id, d.event)
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
		rec.t.Errorf("publish: %s: %s", response.Status, answer)
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

// endType is the type of the event, for all, that ends the feed: what a reader does not have by then, it will never have.
const endType = "feed.ended"

func TestGitHubWebhooks(t *testing.T) {
	deliveries := octokitDeliveries(t)
	n := startNode(t, "--stream-retry", "200ms")
	record, url := startRecorder(t, n)
	receiver := startReceiver(t, url)
	types := []string{endType}
	for _, d := range deliveries {
		if kind := d.eventType(t); !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}

	const busy, other, third = "topic:Codertocat/Hello-World", "topic:Octocoders/Hello-World", "topic:octo-org/octo-repo"
	readers := map[*reader]int{} // and how many events had been acknowledged before each subscribed
	start := func(drive driver, rs ...*reader) {
		drive(t, types, rs...)
		allOf(t, rs, "subscribed", established)
		for _, r := range rs {
			readers[r] = len(record.since(0))
		}
	}
	add := func(name string, targets ...string) *reader { return newReader(t, n, name, targets...) }
	start(withEventSource,
		add("eventsource busy topic", busy), add("eventsource person and topics", "user:octocat", third, other).inEnvelopes())
	start(withGoSSE, add("go-sse person", "user:Codertocat"), add("go-sse two topics", other, third).inEnvelopes())
	start(withLaunchDarkly,
		add("launchdarkly all the same events twice over", busy, "user:Codertocat"), add("launchdarkly quiet person", "user:monalisa"))
	start(withCurl, add("curl topics", busy, other, third), add("curl bot", "user:github-pages[bot]"))
	start(withChromium,
		add("chromium busy topic", busy), add("chromium person and topic", "user:Codertocat", third).inEnvelopes(),
		add("chromium person", "user:octocat"))

	const stages = 8
	for stage := range stages {
		part := deliveries[stage*len(deliveries)/stages : (stage+1)*len(deliveries)/stages]
		if stage == stages/2 {
			start(withCurl, add("curl, late", busy, "user:octocat"))
			start(withChromium, add("chromium, late", "user:Codertocat").inEnvelopes())
		}
		comeAndGo(t, readers, stage, func() {
			for _, d := range part {
				deliver(t, receiver, d)
			}
		})
	}
	deliver(t, receiver, deliveries[0]) // delivered again: the same event, not a second one
	n.publish(`{"target": "all", "type": "` + endType + `", "data": null}`)

	all := record.since(0)
	requirePublished(t, deliveries, all[:len(all)-1])
	require.Equal(t, all[0], all[len(all)-1], "the answer to the second delivery")
	for r, before := range readers {
		allOf(t, []*reader{r}, "at the end of the feed", func(r *reader) bool { return r.last() == endType })
		requireExactly(t, r, all[before:len(all)-1])
	}
}

// comeAndGo breaks readers' connections, each in another way at each stage, while feed runs, and returns when all readers
// are back.
func comeAndGo(t *testing.T, readers map[*reader]int, stage int, feed func()) {
	t.Helper()
	all := slices.SortedFunc(maps.Keys(readers), func(a, b *reader) int { return strings.Compare(a.name, b.name) })
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
	allOf(t, all, "back", established)
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
func requireExactly(t *testing.T, r *reader, all []published) {
	t.Helper()
	got, faults := r.received()
	require.Empty(t, faults, r.name)
	var want []published
	for _, p := range all {
		if slices.ContainsFunc(p.targets, func(target string) bool { return slices.Contains(r.targets, target) }) {
			want = append(want, p)
		}
	}
	require.NotEmpty(t, want, "%s is of no use", r.name)
	for i, p := range want {
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
