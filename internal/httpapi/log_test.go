package httpapi_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/pkg/backplane"
)

// lockedBuffer is what a logger writes.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestLogsTellNoSecrets runs what a node serves and refuses with one word in all that callers give it.
func TestLogsTellNoSecrets(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	var logged lockedBuffer
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := newNode(t, func(s *settings) { s.log = log })
	header := []string{"Authorization: Bearer " + secret, "Cookie: token=" + secret, "User-Agent: " + secret}

	resumed, _ := n.live(t, "user="+secret+"&session="+secret+"&topic="+secret+"&token="+secret+"&envelope=1", append(header, "Last-Event-ID: "+secret)...)
	fresh, _ := n.live(t, "user="+secret+"&lastEventId="+secret, header...)
	n.do(t, call{method: http.MethodGet, path: "/events?ticket=" + secret, header: header})
	id := n.published(t, `{"target":"user:`+secret+`","type":"a.`+secret+`","data":"`+secret+`","meta":{"m":"`+secret+`"},"key":"`+secret+`"}`, header...)
	require.Equal(t, id, resumed.next(t).ID)
	require.Equal(t, id, fresh.next(t).ID)
	for _, body := range []string{
		`{"target":"` + secret + `","type":"` + secret + `","data":"` + secret + `"}`,
		`{"` + secret + `":1}`,
		secret,
		`[{"target":"user:x","type":"pushstream.` + secret + `","data":1},` + goodEvent + `]`,
		`{"target":"user:x","type":"a.b","data":"` + strings.Repeat(secret, 100) + `"}`,
	} {
		n.publish(t, body, append(header, "Idempotency-Key: "+secret)...)
	}
	n.do(t, call{method: http.MethodGet, path: "/events?topic=*" + secret, header: header})
	n.do(t, call{method: http.MethodGet, path: "/" + secret, header: header})
	n.publish(t, goodEvent, "Host: "+secret)

	admin := &adminNode{node{}}
	admin.serve(t, httpapi.Admin(httpapi.AdminConfig{Token: secret, Health: n.health, Metrics: http.NotFoundHandler()}, log))
	admin.get(t, "/metrics", "Authorization: Bearer "+secret)
	admin.get(t, "/metrics", "Authorization: Bearer "+secret+"x")

	require.NoError(t, n.broker.Drain(t.Context()))
	resumed.farewellIn(t, "draining")
	fresh.farewell(t, "draining")
	resumed.close()
	fresh.close()
	require.Eventually(t, func() bool { return strings.Count(logged.String(), `"msg":"stream closed"`) == 2 }, patience, time.Millisecond)
	text := logged.String()
	require.NotContains(t, text, secret)
	require.NotContains(t, text, id, "a cursor")
	require.Equal(t, 2, strings.Count(text, `"msg":"stream opened"`))
	for line := range strings.Lines(text) {
		if strings.Contains(line, `"msg":"stream closed"`) {
			require.Contains(t, line, `"reason":"draining"`)
			require.Contains(t, line, `"duration":`)
			require.Contains(t, line, `"level":"DEBUG"`)
		}
	}
}

// farewellIn is farewell in envelope form.
func (r *reader) farewellIn(t *testing.T, reason string) {
	t.Helper()
	seen := r.until(t, "pushstream.bye")
	require.Contains(t, seen[len(seen)-1].Data, `"reason":"`+reason+`"`)
}

func TestFaultsAreLoggedOnce(t *testing.T) {
	var logged lockedBuffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	core := fakeCore{err: errors.New("engine on fire")}
	n := &node{}
	n.serveAPI(t, httpapi.New(testConfig(), core, development(), httpapi.NewHealth(core), log, noMetrics{}))
	n.publish(t, goodEvent).refused(t, http.StatusInternalServerError, "internal")
	n.publish(t, `{}`).refused(t, http.StatusUnprocessableEntity, "invalid")
	away := fakeCore{err: backplane.ErrUnavailable}
	n.serveAPI(t, httpapi.New(testConfig(), away, development(), httpapi.NewHealth(away), log, noMetrics{}))
	n.publish(t, goodEvent).refused(t, http.StatusServiceUnavailable, "unavailable")
	require.Equal(t, 1, strings.Count(logged.String(), "\n"), logged.String())
	for _, part := range []string{`"level":"ERROR"`, `"msg":"answer request"`, `"method":"POST"`, `"route":"/events"`, `engine on fire`} {
		require.Contains(t, logged.String(), part)
	}
}
