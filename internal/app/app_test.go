package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/internal/app"
	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/pkg/sse"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

func testConfig() config.Config {
	cfg := config.Default()
	cfg.Listen, cfg.Admin = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Drain.Window = 0
	cfg.Drain.ReconnectRate = 1_000_000
	return cfg
}

// journal is what a node logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// client talks to a node that runs in this process.
type client struct {
	http  *http.Client
	url   string
	admin string
}

func newClient(t *testing.T, address, admin string) *client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{&http.Client{Transport: transport}, "http://" + address, "http://" + admin}
}

// send returns an answer's status, and its body, which the test closes in the end.
func (c *client) send(t *testing.T, method, url, body string) (int, io.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream, */*")
	response, err := c.http.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response.StatusCode, response.Body
}

func (c *client) get(t *testing.T, url string) (int, string) {
	t.Helper()
	status, body := c.send(t, http.MethodGet, url, "")
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	return status, string(text)
}

// reader opens a stream and reads it until it is live.
func (c *client) reader(t *testing.T) *sse.Reader {
	t.Helper()
	status, body := c.send(t, http.MethodGet, c.url+"/events?user=alice", "")
	require.Equal(t, http.StatusOK, status)
	messages := sse.NewReader(body, sse.NewDecoder(1<<20))
	for {
		m, err := messages.Next()
		require.NoError(t, err)
		if m.Type == "pushstream.live" {
			return messages
		}
	}
}

func (c *client) publish(t *testing.T) string {
	t.Helper()
	status, answer := c.send(t, http.MethodPost, c.url+"/events", `{"target":"user:alice","type":"a.b","data":1}`)
	var stored struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.NewDecoder(answer).Decode(&stored))
	require.Equal(t, http.StatusOK, status)
	return stored.ID
}

// running is a node that Run serves.
type running struct {
	*client

	drain  chan struct{}
	cancel context.CancelFunc
	ended  chan error
	log    *journal
}

// run runs a node and waits until it is ready: a stream that comes before is told to come back.
func run(t *testing.T, cfg config.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{drain: make(chan struct{}), cancel: cancel, ended: make(chan error, 1), log: new(journal)}
	go func() { r.ended <- app.Run(ctx, r.drain, cfg, r.log.logger()) }() // joined by stopped
	var listening struct {
		Msg, URL, Admin string
	}
	require.Eventually(t, func() bool {
		for line := range strings.Lines(r.log.String()) {
			if json.Unmarshal([]byte(line), &listening) == nil && listening.Msg == "listening" {
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	r.client = newClient(t, strings.TrimPrefix(listening.URL, "http://"), listening.Admin)
	require.Eventually(t, func() bool {
		status, _ := r.get(t, r.url+"/readyz")
		return status == http.StatusOK
	}, patience, time.Millisecond)
	return r
}

// stopped waits for the end of Run, and checks that nothing is left of it.
func (r *running) stopped(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.cancel()
		for _, url := range []string{r.url, r.admin} {
			free(t, strings.TrimPrefix(url, "http://"))
		}
		return err
	case <-time.After(patience):
		require.FailNow(t, "Run does not return")
		return nil
	}
}

// free checks that nobody listens on an address.
func free(t *testing.T, address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestNodeServes(t *testing.T) {
	r := run(t, testConfig())
	reader := r.reader(t)
	id := r.publish(t)
	m, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, id, m.ID)
	for _, url := range []string{r.url, r.admin} {
		for _, path := range []string{"/livez", "/readyz"} {
			status, _ := r.get(t, url+path)
			require.Equal(t, http.StatusOK, status, path)
		}
	}
	status, body := r.get(t, r.admin+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "\npushstream_connections 1\n")
	require.Contains(t, body, "\npushstream_events_published_total 1\n")
	status, _ = r.get(t, r.url+"/metrics")
	require.Equal(t, http.StatusNotFound, status)
	status, body = r.get(t, r.url+"/")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "<html")
	r.cancel()
	require.NoError(t, r.stopped(t))
}

func TestDrainSaysGoodbyeToEveryReader(t *testing.T) {
	r := run(t, testConfig())
	const readers = 20
	var streams []*sse.Reader
	for range readers {
		streams = append(streams, r.reader(t))
	}
	id := r.publish(t)
	close(r.drain)
	require.NoError(t, r.stopped(t))
	require.Equal(t, readers, strings.Count(r.log.String(), `"msg":"stream closed","connection":`), "Run waits until each has been written its last byte")
	require.Equal(t, readers, strings.Count(r.log.String(), `"reason":"draining"`))
	for _, stream := range streams {
		m, err := stream.Next()
		require.NoError(t, err)
		require.Equal(t, id, m.ID)
		m, err = stream.Next()
		require.NoError(t, err)
		require.Equal(t, "pushstream.bye", m.Type)
		require.Contains(t, m.Data, `"reason":"draining","reconnect_ms":`)
		_, err = stream.Next()
		require.ErrorIs(t, err, io.EOF)
	}
	require.Contains(t, r.log.String(), `"msg":"stopped"`)
}

// While a node waits for its balancer, it serves everybody and says that it is not ready.
func TestDrainWaitsForTheBalancer(t *testing.T) {
	cfg := testConfig()
	cfg.Drain.Delay = 20 * time.Second
	r := run(t, cfg)
	reader := r.reader(t)
	close(r.drain)
	require.Eventually(t, func() bool {
		status, _ := r.get(t, r.url+"/readyz")
		return status == http.StatusServiceUnavailable
	}, patience, time.Millisecond)
	status, _ := r.get(t, r.admin+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = r.get(t, r.url+"/livez")
	require.Equal(t, http.StatusOK, status)
	late := r.reader(t)
	id := r.publish(t)
	for _, stream := range []*sse.Reader{reader, late} {
		m, err := stream.Next()
		require.NoError(t, err)
		require.Equal(t, id, m.ID)
	}
	r.cancel() // in the midst of the drain
	require.NoError(t, r.stopped(t))
	for _, stream := range []*sse.Reader{reader, late} {
		for err := error(nil); err == nil; {
			_, err = stream.Next()
		}
	}
}

func TestStopAtOnce(t *testing.T) {
	cfg := testConfig()
	cfg.Drain.Delay, cfg.Drain.Window = 10*time.Second, 10*time.Second
	r := run(t, cfg)
	reader := r.reader(t)
	r.cancel()
	require.NoError(t, r.stopped(t))
	for err := error(nil); err == nil; {
		_, err = reader.Next()
	}
	require.Contains(t, r.log.String(), `"msg":"stopping at once"`)
	require.NotContains(t, r.log.String(), `"msg":"draining"`)
}

func TestPortInUse(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().String()
	for _, name := range []string{"public", "admin"} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			cfg := testConfig()
			if name == "public" {
				cfg.Listen = taken
			} else {
				cfg.Admin = taken
			}
			log := new(journal)
			a, err := app.New(cfg, log.logger())
			require.NoError(t, err)
			err = a.Start(t.Context())
			require.ErrorContains(t, err, "start "+name+" listener: listen tcp "+taken+": bind: address already in use")
			require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "one cause, one line: %v", err)
			goleak.VerifyNone(t, before)
			if a.AdminAddress() != "" {
				free(t, a.AdminAddress())
			}
			require.NotContains(t, log.String(), `"msg":"listening"`)
			require.ErrorContains(t, app.Run(t.Context(), nil, cfg, log.logger()), "address already in use")
		})
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	cfg := testConfig()
	cfg.Listen = "0.0.0.0:0"
	cfg.Limits.Topics = 0
	_, err := app.New(cfg, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "check configuration: ")
	require.ErrorContains(t, err, "insecure_dev")
	require.ErrorContains(t, err, "limits.topics")
	require.Equal(t, err.Error(), app.Run(t.Context(), nil, cfg, slog.New(slog.DiscardHandler)).Error())
}

// What the settings allow is what the parts of a node were made with.
func TestEverySettingAllowedCanBeWired(t *testing.T) {
	least := testConfig()
	least.Stream.Heartbeat, least.Stream.Retry, least.Stream.MaxAge, least.Stream.WriteTimeout = time.Second, 100*time.Millisecond, 0, time.Second
	least.Stream.PageEvents, least.Stream.PageBytes, least.Stream.InboxEvents = 1, 1<<10, 16
	least.Retention.Length, least.Retention.Age = 1, time.Second
	least.Publish.Timeout = 100 * time.Millisecond
	least.Limits.EventBytes = 1 << 10
	_, err := app.New(least, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
}

func TestOpenDoorsAreWarnedOf(t *testing.T) {
	for _, insecure := range []bool{true, false} {
		cfg := testConfig()
		cfg.InsecureDev = insecure
		r := run(t, cfg)
		require.Equal(t, insecure, strings.Contains(r.log.String(), "insecure_dev is set"), r.log.String())
		r.cancel()
		require.NoError(t, r.stopped(t))
	}
}

func TestNoAdminListener(t *testing.T) {
	cfg := testConfig()
	cfg.Admin = ""
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	require.Empty(t, a.AdminAddress())
	c := newClient(t, a.Address(), "")
	status, _ := c.get(t, c.url+"/livez")
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, a.Stop(t.Context()))
	require.NoError(t, a.Stop(t.Context()), "again")
	free(t, a.Address())
}

func TestHeadersOverTheLimit(t *testing.T) {
	cfg := testConfig()
	cfg.Limits.HeaderBytes = 4 << 10
	r := run(t, cfg)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	// net/http takes 4 KiB more than it is told.
	_, err = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 9<<10))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 431 Request Header Fields Too Large")
	close(r.drain) // waits for net/http, which keeps such a connection for a while
	require.NoError(t, r.stopped(t))
}

func TestHTTP2WithoutTLS(t *testing.T) {
	r := run(t, testConfig())
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	r.http = &http.Client{Transport: transport}
	reader := r.reader(t)
	id := r.publish(t)
	m, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, id, m.ID)
	close(r.drain)
	require.NoError(t, r.stopped(t))
	m, err = reader.Next()
	require.NoError(t, err)
	require.Equal(t, "pushstream.bye", m.Type)
}
