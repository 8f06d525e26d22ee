package integration_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// abuse is what somebody does to a node. Whatever it is, the node's memory stays within bounds, other readers get their
// events in time, and a metric tells.
type abuse struct {
	args []string
	// do returns an error where the node has not answered as it should.
	do func(n *node) error
	// metric counts it, at least so often.
	metric string
	count  float64
	// grows is the most bytes of memory that it may cost.
	grows int
}

var abuses = map[string]abuse{
	"slowloris": {
		do: func(n *node) error {
			return allTogether(1500, func(int) error { return n.trickle("GET /events?user=alice HTTP/1.1\r\nHost: localhost\r\nX: ") })
		},
		metric: `pushstream_sockets_dropped_total{reason="unused"}`, count: 1500, grows: 60 << 20,
	},
	"connections that ask for nothing": {
		args: []string{"--limits-connections", "20", "--limits-other-connections", "100"},
		do: func(n *node) error {
			return allTogether(400, func(int) error { return n.trickle("") })
		},
		metric: `pushstream_sockets_dropped_total{reason="full"}`, count: 250, grows: 20 << 20,
	},
	"streams of one address": {
		args: []string{"--limits-connections-per-address", "10"},
		do: func(n *node) error {
			for range 9 { // the tenth is the other reader's
				conn, _, err := dialStream(n, "user=alice")
				if err != nil {
					return err
				}
				defer conn.Close()
			}
			return allTogether(300, func(int) error {
				return n.answers("GET /events?user=alice", nil, "event: pushstream.bye", "Accept: text/event-stream")
			})
		},
		metric: `pushstream_streams_refused_total{code="too_many_connections_per_address"}`, count: 300, grows: 40 << 20,
	},
	"a cursor of 10 MB in the header": {
		do: func(n *node) error {
			return allTogether(5, func(int) error {
				return n.answers("GET /events?user=alice", nil, "HTTP/1.1 431 ", "Last-Event-ID: "+strings.Repeat("x", 10<<20))
			})
		},
		metric: `pushstream_sockets_dropped_total{reason="unused"}`, count: 5, grows: 20 << 20,
	},
	"a cursor of 10 MB in the query": {
		do: func(n *node) error {
			return allTogether(5, func(int) error {
				return n.answers("GET /events?user=alice&lastEventId="+strings.Repeat("x", 10<<20), nil, "HTTP/1.1 431 ")
			})
		},
		metric: `pushstream_sockets_dropped_total{reason="unused"}`, count: 5, grows: 20 << 20,
	},
	"streams of more topics than there may be": {
		do: func(n *node) error {
			return allTogether(500, func(i int) error {
				return n.answers("GET /events?"+strings.Repeat(fmt.Sprintf("topic=%d&", i), 1000), nil, `"code":"too_many_topics"`)
			})
		},
		metric: `pushstream_streams_refused_total{code="too_many_topics"}`, count: 500, grows: 40 << 20,
	},
	"events for a million topics": {
		args: []string{"--retention-bytes", "16MiB", "--limits-batch-events", "5000"},
		do: func(n *node) error {
			for batch := range 200 {
				var body bytes.Buffer
				for i := range 5000 {
					fmt.Fprintf(&body, `{"target":"topic:of-many-%d-%d","type":"a.b","data":1}`+"\n", batch, i)
				}
				if err := n.answers("POST /events", &body, "HTTP/1.1 200 OK", "Content-Type: application/x-ndjson", fmt.Sprint("Content-Length: ", body.Len())); err != nil {
					return err
				}
			}
			return nil
		},
		metric: "pushstream_events_published_total", count: 1_000_000, grows: 120 << 20,
	},
	"bodies without an end": {
		do: func(n *node) error {
			return allTogether(20, func(int) error {
				return n.answers("POST /events", endless{' '}, `"code":"body_too_large"`, isJSON, isEndless)
			})
		},
		metric: `pushstream_publishes_refused_total{code="body_too_large"}`, count: 20, grows: 500 << 20,
	},
	"JSON of depth": {
		do: func(n *node) error {
			const size = 7 << 20
			return allTogether(10, func(int) error {
				return n.answers("POST /events", strings.NewReader(strings.Repeat("[", size)), `"code":"invalid_json"`, isJSON, fmt.Sprint("Content-Length: ", size))
			})
		},
		metric: `pushstream_publishes_refused_total{code="invalid_json"}`, count: 10, grows: 400 << 20,
	},
	"JSON of many values": {
		do: func(n *node) error {
			body := "[" + strings.Repeat("{},", 2<<20) + "{}]"
			return allTogether(10, func(int) error {
				return n.answers("POST /events", strings.NewReader(body), `"code":"batch_too_large"`, isJSON, fmt.Sprint("Content-Length: ", len(body)))
			})
		},
		metric: `pushstream_publishes_refused_total{code="batch_too_large"}`, count: 10, grows: 400 << 20,
	},
	"what unpacks to 20 MB": {
		do: func(n *node) error {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			if _, err := io.CopyN(w, endless{' '}, 20<<20); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			return allTogether(20, func(int) error {
				return n.answers("POST /events", bytes.NewReader(packed.Bytes()), `"code":"content_encoding"`, isJSON, "Content-Encoding: gzip", fmt.Sprint("Content-Length: ", packed.Len()))
			})
		},
		metric: `pushstream_publishes_refused_total{code="content_encoding"}`, count: 20, grows: 20 << 20,
	},
}

func TestAbuse(t *testing.T) {
	for name, a := range abuses {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, a.args...)
			f := newFeed(t, n)
			reader := f.timed(t)
			calm := f.publish(t, 500, 500)
			before, first := n.metric(a.metric), f.count
			done := make(chan error, 1)
			go func() { done <- a.do(n) }() // joined below
			busy, err := calm, error(nil)
			for going := true; going; {
				busy = max(busy, f.publish(t, stallBatch, 500))
				select {
				case err = <-done:
					going = false
				default:
				}
			}
			require.NoError(t, err)
			require.Eventually(t, func() bool { return n.metric(a.metric)-before >= a.count }, patience, 10*time.Millisecond, a.metric)
			require.Less(t, busy-calm, a.grows)
			delays := reader.awaitEvent(t, f.count-1)[first:]
			t.Logf("memory: %d MB before, at most %d MB during; delay of %d events to another reader: median %v, 99%% %v",
				calm>>20, busy>>20, len(delays), percentile(delays, 50), percentile(delays, 99))
			require.Less(t, percentile(delays, 99), 2*time.Second)
		})
	}
}

// allTogether runs do so many times beside each other, and returns its errors.
func allTogether(times int, do func(i int) error) error {
	errs := make([]error, times)
	var group sync.WaitGroup
	for i := range times {
		group.Go(func() { errs[i] = do(i) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// endless is a body that goes on for ever.
type endless [1]byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e[0]
	}
	return len(b), nil
}

const (
	isJSON = "Content-Type: application/json"
	// isEndless announces a chunk (RFC 9112, section 7.1) of two gigabytes.
	isEndless = "Transfer-Encoding: chunked\r\n\r\n7fffffff"
)

func (n *node) dial() (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// trickle sends a request's beginning and then a byte a second, and expects that the node has had enough of it within 15
// seconds.
func (n *node) trickle(begin string) error {
	conn, err := n.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, begin)
	began, second := time.Now(), time.NewTicker(time.Second)
	defer second.Stop()
	for err == nil { // what is sent to a connection that was closed is an error the time after
		<-second.C
		_, err = conn.Write([]byte("x"))
	}
	if took := time.Since(began); took > 15*time.Second {
		return fmt.Errorf("it was let go on for %v", took)
	}
	return nil
}

// answers sends a request, and expects that the answer has something in it. What the node does not want to read any more
// cannot be sent; its answer comes all the same.
func (n *node) answers(request string, body io.Reader, want string, header ...string) error {
	conn, err := n.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	head := strings.Join(append([]string{request + " HTTP/1.1", "Host: localhost"}, header...), "\r\n")
	if !strings.HasSuffix(head, isEndless) {
		head += "\r\n"
	}
	sent := make(chan struct{})
	go func() { // joined below
		defer close(sent)
		if _, failed := io.WriteString(conn, head+"\r\n"); failed == nil && body != nil {
			_, _ = io.Copy(conn, body)
		}
	}()
	var answer []byte
	part := make([]byte, 4<<10)
	for err == nil && !bytes.Contains(answer, []byte(want)) {
		var read int
		read, err = conn.Read(part)
		answer = append(answer, part[:read]...)
	}
	_ = conn.Close()
	<-sent
	if !bytes.Contains(answer, []byte(want)) {
		return fmt.Errorf("%q is not in the answer: %.200q, %w", want, answer, err)
	}
	return nil
}
