package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// reader is a client of GET /events.
type reader struct {
	response *http.Response
	decoder  *sse.Decoder
	messages *sse.Reader
	envelope bool
}

// open opens a stream as EventSource does, and hands it over as it is: with nothing read.
func (n *node) open(t *testing.T, query string, header ...string) *reader {
	t.Helper()
	c := call{method: http.MethodGet, path: "/events?" + query, header: append(header, wantStream)}
	response, err := n.client.Do(n.request(t, c))
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	head := answer{status: response.StatusCode, header: response.Header}
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		head.body = string(body)
	}
	checkAgainstFile(t, n.request(t, c), c, head)
	require.Equal(t, http.StatusOK, head.status, head.body)
	require.Equal(t, "text/event-stream", head.header.Get("Content-Type"))
	decoder := sse.NewDecoder(1 << 20)
	return &reader{
		response: response, decoder: decoder, messages: sse.NewReader(response.Body, decoder),
		envelope: response.Request.URL.Query().Get("envelope") == "1",
	}
}

// live opens a stream and reads it up to where it is live. It returns what came until then, pushstream.live included.
func (n *node) live(t *testing.T, query string, header ...string) (*reader, []sse.Message) {
	t.Helper()
	r := n.open(t, query, header...)
	return r, r.until(t, "pushstream.live")
}

// next returns the next block.
func (r *reader) next(t *testing.T) sse.Message {
	t.Helper()
	m, err := r.messages.Next()
	require.NoError(t, err)
	checkBlock(t, m, r.envelope)
	return m
}

// until returns the blocks up to one of this type, which is the last of them.
func (r *reader) until(t *testing.T, name string) []sse.Message {
	t.Helper()
	var seen []sse.Message
	for {
		m := r.next(t)
		seen = append(seen, m)
		if typeOf(t, m, r.envelope) == name {
			return seen
		}
	}
}

// ended checks that nothing more comes.
func (r *reader) ended(t *testing.T) {
	t.Helper()
	m, err := r.messages.Next()
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%v %v", m, err)
}

// close hangs up.
func (r *reader) close() { r.response.Body.Close() }

// envelope is a message of the envelope form.
type envelope struct {
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Target string          `json:"target"`
	Data   json.RawMessage `json:"data"`
	Time   string          `json:"time"`
	Meta   json.RawMessage `json:"meta"`
}

func unwrap(t *testing.T, m sse.Message) envelope {
	t.Helper()
	require.Equal(t, "message", m.Type)
	var e envelope
	require.NoError(t, json.Unmarshal([]byte(m.Data), &e), m.Data)
	return e
}

func typeOf(t *testing.T, m sse.Message, enveloped bool) string {
	t.Helper()
	if enveloped {
		return unwrap(t, m).Type
	}
	return m.Type
}

// types are the types of blocks in plain form, those of the node's own without their prefix.
func types(blocks []sse.Message) []string {
	var all []string
	for _, m := range blocks {
		all = append(all, strings.TrimPrefix(m.Type, "pushstream."))
	}
	return all
}

// data decodes a block's data.
func data[T any](t *testing.T, m sse.Message) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(m.Data), &v), m.Data)
	return v
}

type bye struct {
	Reason      string `json:"reason"`
	ReconnectMS *int64 `json:"reconnect_ms"`
}

// farewell reads a stream to its bye and checks that this tells the reader when to come back.
func (r *reader) farewell(t *testing.T, reason string) {
	t.Helper()
	blocks := r.until(t, "pushstream.bye")
	last := blocks[len(blocks)-1]
	b := data[bye](t, last)
	require.Equal(t, reason, b.Reason)
	require.NotNil(t, b.ReconnectMS)
	require.True(t, last.HasRetry)
	require.Equal(t, *b.ReconnectMS, last.Retry.Milliseconds(), "a browser looks at retry only")
	require.False(t, last.HasID)
}

type gap struct {
	Targets []string `json:"targets"`
	Reason  string   `json:"reason"`
}
