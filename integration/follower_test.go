package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// The control blocks that tests ask for.
const (
	hello = "pushstream.hello"
	gap   = "pushstream.gap"
	live  = "pushstream.live"
	ping  = "pushstream.ping"
)

// follower is one stream and all blocks that came by it. It is safe for concurrent use.
type follower struct {
	t *testing.T
	// stop hangs up and waits until the reading has ended. It can be called again.
	stop func()

	mu     sync.Mutex
	blocks []message // without pings
	pings  []message
}

// follow reads a stream until it ends, or until stop. open returns the stream; ctx ends with stop.
func follow(t *testing.T, lastID string, open func(context.Context) (stream io.Reader, wait func(), err error)) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, wait, err := open(ctx)
	if err != nil {
		cancel()
		require.NoError(t, err)
	}
	f := &follower{t: t}
	done := make(chan struct{})
	go func() { // joined by stop
		defer close(done)
		readBlocks(stream, lastID, f.take)
		wait()
	}()
	f.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(f.stop)
	return f
}

// curlFollow reads GET /events with curl, with a last id unless it is empty.
func curlFollow(t *testing.T, n *node, query, lastID string) *follower {
	t.Helper()
	return follow(t, lastID, func(ctx context.Context) (io.Reader, func(), error) {
		cmd := exec.CommandContext(ctx, "curl", "-N", "-sS", n.URL+"/events?"+query)
		if lastID != "" {
			cmd.Args = append(cmd.Args, "-H", "Last-Event-ID: "+lastID)
		}
		cmd.SysProcAttr = dieWithParent()
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, nil, err
		}
		return out, func() { _ = cmd.Wait() }, cmd.Start()
	})
}

// httpFollow reads GET /events with a client of Go's, whose connection does not outlive the stream. It returns the version of
// HTTP, too.
func httpFollow(t *testing.T, transport *http.Transport, url, lastID string) (f *follower, proto string) {
	t.Helper()
	f = follow(t, lastID, func(ctx context.Context) (io.Reader, func(), error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, nil, err
		}
		if lastID != "" {
			request.Header.Set("Last-Event-ID", lastID)
		}
		response, err := (&http.Client{Transport: transport}).Do(request) //nolint:bodyclose // the reading goroutine closes it
		if err != nil {
			return nil, nil, err
		}
		proto = response.Proto
		return response.Body, func() { _ = response.Body.Close(); transport.CloseIdleConnections() }, nil
	})
	return f, proto
}

func (f *follower) take(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.Type == ping {
		f.pings = append(f.pings, m)
	} else {
		f.blocks = append(f.blocks, m)
	}
}

// received returns the blocks and the pings so far.
func (f *follower) received() (blocks, pings []message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append(blocks, f.blocks...), append(pings, f.pings...)
}

// await waits until so many blocks have come, pings not counted, and returns all that have.
func (f *follower) await(count int) []message {
	f.t.Helper()
	var blocks []message
	require.Eventually(f.t, func() bool {
		blocks, _ = f.received()
		return len(blocks) >= count
	}, patience, 5*time.Millisecond, "%d blocks have not come", count)
	return blocks
}

// awaitPing waits for a ping with an id behind another, and returns its id.
func (f *follower) awaitPing(behind event.Position) (id string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		_, pings := f.received()
		if len(pings) == 0 {
			return false
		}
		id = pings[len(pings)-1].ID
		p, err := event.ParsePosition(id)
		return err == nil && p.After(behind)
	}, patience, 5*time.Millisecond, "no ping behind %v has come", behind)
	return id
}

// types returns the types of blocks, as one text.
func types(blocks []message) string {
	names := make([]string, len(blocks))
	for i, b := range blocks {
		names[i] = b.Type
	}
	return strings.Join(names, " ")
}

// requireGap checks that a block is a gap under the reader's own cursor, with this reason and these targets.
func requireGap(t *testing.T, block message, cursor, reason string, targets ...string) {
	t.Helper()
	require.Equal(t, gap, block.Type)
	require.Equal(t, cursor, block.ID, "a gap comes before any newer id")
	var data struct {
		Targets []string
		Reason  string
	}
	require.NoError(t, json.Unmarshal([]byte(block.Data), &data))
	require.Equal(t, reason, data.Reason)
	require.ElementsMatch(t, targets, data.Targets)
}

func position(t *testing.T, id string) event.Position {
	t.Helper()
	p, err := event.ParsePosition(id)
	require.NoError(t, err)
	return p
}

// curl runs curl to its end and returns what it printed.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sS"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// curlPublish publishes an order for a target with curl and returns its id.
func curlPublish(t *testing.T, n *node, target string, order int) (id string) {
	t.Helper()
	out := curl(t, n.URL+"/events", "-H", "Content-Type: application/json", "-d", orderEvent(target, order))
	var answer struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &answer), out)
	require.NotEmpty(t, answer.ID, out)
	return answer.ID
}

func orderEvent(target string, order int) string {
	return fmt.Sprintf(`{"target": %q, "type": "order.created", "data": {"order": %d}}`, target, order)
}

// orderBlock is what a reader gets of curlPublish.
func orderBlock(id string, order int) message {
	return message{ID: id, Type: "order.created", Data: fmt.Sprintf(`{"order": %d}`, order)}
}

// publishBatch publishes some events in one request, all of which have to be stored.
func publishBatch(t *testing.T, client *http.Client, n *node, events []string) {
	t.Helper()
	body := "[" + strings.Join(events, ",") + "]"
	response, err := client.Post(n.URL+"/events", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	var answer struct {
		Results []struct {
			ID    string
			Error json.RawMessage
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	require.Len(t, answer.Results, len(events))
	for _, r := range answer.Results {
		require.NotEmpty(t, r.ID, "%s", r.Error)
	}
}

// dialStream opens GET /events on a socket of its own, and returns it with the body, of which hardly more than the head has
// been read. Until the caller reads on, about 4 MB fit into the buffers of the two sockets. (A tiny receive buffer would make
// that less, but the kernel opens a window that is smaller than loopback's segments only every 200 ms, for ever.)
func dialStream(n *node, query string, header ...string) (conn *net.TCPConn, body io.Reader, err error) {
	address := strings.TrimPrefix(n.URL, "http://")
	to, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	if conn, err = net.DialTCP("tcp", nil, to); err != nil {
		return nil, nil, err
	}
	head := append([]string{"GET /events?" + query + " HTTP/1.1", "Host: " + address}, header...)
	if _, err = io.WriteString(conn, strings.Join(head, "\r\n")+"\r\n\r\n"); err == nil {
		body, err = readHead(conn)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, body, nil
}

// readHead reads the head of an answer, which has to be 200, and returns the body.
func readHead(conn io.Reader) (io.Reader, error) {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil) //nolint:bodyclose // it is the caller's
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	return response.Body, nil
}

// metric returns what a metric without labels stands at; not a number if the node does not say.
func (n *node) metric(name string) float64 {
	_, after, _ := strings.Cut(n.admin("/metrics"), "\n"+name+" ")
	text, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

// admin returns what the admin listener answers, empty if it does not.
func (n *node) admin(path string) string {
	response, err := httpClient.Get(n.AdminURL + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}
