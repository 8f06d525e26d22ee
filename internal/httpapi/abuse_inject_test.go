package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

// pieces are what texts are made of that want to be more than a value: ends of lines of any standard, what would begin a
// field of a stream or a header, what turns text around, and bytes that are no UTF-8.
var pieces = []string{
	"\r\n", "\n", "\r", "\n\n", "\r\n\r\n", "\x00", "\v", "\f", "\x1b[31m", "\u0085", "\u2028", "\u2029", "\ufeff", "\u202e", "\u2066", "\u200f",
	"\xc0\xae", "\xc0\x8a", "\xe0\x80\x8a", "\xed\xa0\x80", "\xff", `\ud800`, `\u000a`, `\n`, "%0a", "%", "data: evil", "event: evil", "id: 9", "retry: 1", ": evil", "X-Evil: 1",
	`"`, `\`, `","evil":"`, "<script>", "a", "b.c", "alice", "*", "{", "}", ":", "/", " ", "\t", "é", "\U0001f600",
}

// nasty is a text of such pieces.
func nasty() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6).Draw(t, "pieces"), "")
	})
}

// quoted returns a text as JSON as a careless publisher would write it: what need not be escaped is not.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < 0x20:
			b.WriteString(`\u00` + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// spelling is a JSON value: of a nasty text, as such or inside of others, with line ends where JSON allows them.
func spelling() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		space := rapid.SampledFrom([]string{"", " ", "\n", "\r\n", "\r", "\t"}).Draw(t, "space")
		text := rapid.OneOf(rapid.Map(nasty(), quoted), rapid.SampledFrom([]string{"1", `"\ud800"`, `"\udc00\r\n"`, "1e400", "-0", "null"})).Draw(t, "text")
		return rapid.SampledFrom([]string{text, "[" + space + text + "," + space + "1" + space + "]", "{" + space + quoted("data: evil") + space + ":" + space + text + space + "}"}).Draw(t, "value")
	})
}

// oneLine is what readers get of a JSON value.
func oneLine(t require.TestingT, value string) string {
	v, err := event.ParseJSON([]byte(value))
	require.NoError(t, err)
	var line bytes.Buffer
	require.NoError(t, json.Compact(&line, []byte(value)))
	var again bytes.Buffer
	require.NoError(t, json.Compact(&again, v.Bytes()))
	require.Equal(t, line.String(), again.String())
	return v.String()
}

// post sends a body and returns the answer, which is JSON, or a line of it for each event.
func (n *node) post(t require.TestingT, mediaType, body, key string) (int, string) {
	request, err := http.NewRequest(http.MethodPost, n.url+"/events", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", mediaType)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := n.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		require.True(t, json.Valid([]byte(line)), line)
		require.False(t, strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x00"), line)
	}
	return response.StatusCode, string(text)
}

// TestNothingPublishedIsMoreThanAValue publishes nasty texts in every field, by every way of HTTP, to a reader of each form.
// What is refused reaches nobody. What is taken arrives as it was sent, as one block.
func TestNothingPublishedIsMoreThanAValue(t *testing.T) {
	n := newNode(t, func(s *settings) { s.broker.EventBytes = 64 << 10 })
	plain, _ := n.live(t, "")
	wrapped := n.open(t, "envelope=1")
	wrapped.until(t, "pushstream.live")
	rapid.Check(t, func(r *rapid.T) {
		kind := rapid.OneOf(nasty(), rapid.Just("order.created")).Draw(r, "type")
		data, key := spelling().Draw(r, "data"), nasty().Draw(r, "key")
		meta := `{` + quoted(nasty().Draw(r, "name")) + `:` + spelling().Draw(r, "meta") + `}`
		body := `{"target":"all","type":` + quoted(kind) + `,"data":` + data + `,"meta":` + meta + `,"key":` + quoted(key) + "}"
		type way struct{ mediaType, body string }
		ways := []way{{"application/json", body}, {"application/json", "[" + body + "]"}}
		if !strings.ContainsAny(body, "\r\n") {
			ways = append(ways, way{"application/x-ndjson", body + "\n"})
		}
		w := rapid.SampledFrom(ways).Draw(r, "way")
		_, answer := n.post(r, w.mediaType, w.body, "")
		marker := n.markerEvent(r)

		var got []sse.Message
		for {
			m, err := plain.messages.Next()
			require.NoError(r, err)
			e, err := wrapped.messages.Next()
			require.NoError(r, err)
			if m.Type == "test.marker" {
				require.JSONEq(r, marker, m.Data)
				break
			}
			got = append(got, m, e)
		}
		if strings.Contains(answer, `"code"`) || len(got) == 0 { // refused, or taken before with the same key
			require.Empty(r, got, answer)
			return
		}
		require.True(r, utf8.ValidString(body), "what is no UTF-8 is no JSON")
		require.Len(r, got, 2)
		require.Equal(r, sse.Message{ID: got[0].ID, HasID: true, Type: kind, Data: oneLine(r, data)}, got[0])
		require.Equal(r, "message", got[1].Type)
		require.False(r, got[1].HasRetry)
		var e envelope
		require.NoError(r, json.Unmarshal([]byte(got[1].Data), &e))
		require.Equal(r, envelope{ID: got[0].ID, Type: kind, Target: "all", Data: json.RawMessage(oneLine(r, data)), Time: e.Time, Meta: json.RawMessage(oneLine(r, meta))}, e)
	})
}

// markerEvent publishes what marks the end of what came before, and returns its data.
func (n *node) markerEvent(t require.TestingT) string {
	status, answer := n.post(t, "application/json", `{"target":"all","type":"test.marker","data":1}`, "")
	require.Equal(t, http.StatusOK, status, answer)
	return "1"
}

// TestNoNameIsMoreThanAName reads with nasty names of users, sessions and topics and with nasty cursors: who is served gets
// a stream of whole blocks, and an event for such a topic under its own name.
func TestNoNameIsMoreThanAName(t *testing.T) {
	n := newNode(t)
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) string { return rapid.OneOf(nasty(), rapid.Just("x")).Draw(r, name) }
		query := url.Values{"user": {draw("user")}, "session": {draw("session")}, "topic": {draw("topic")}, "envelope": {"1"}}
		if cursor := draw("cursor"); cursor != "x" {
			query.Set("lastEventId", cursor)
		}
		response, err := n.client.Get(n.url + "/events?" + query.Encode())
		require.NoError(r, err)
		defer response.Body.Close()
		topic, err := event.Topic(query.Get("topic"))
		if response.StatusCode != http.StatusOK {
			text, readErr := io.ReadAll(response.Body)
			require.NoError(r, readErr)
			require.Equal(r, 422, response.StatusCode, string(text))
			require.True(r, json.Valid(text))
			return
		}
		require.NoError(r, err, "a name that is none was served")
		messages := sse.NewReader(response.Body, sse.NewDecoder(1<<20))
		target, err := json.Marshal(topic.String())
		require.NoError(r, err)
		for {
			m, err := messages.Next()
			require.NoError(r, err)
			require.Equal(r, "message", m.Type)
			var e envelope
			require.NoError(r, json.Unmarshal([]byte(m.Data), &e), m.Data)
			if e.Type == "pushstream.live" {
				status, answer := n.post(r, "application/json", `{"target":`+string(target)+`,"type":"a.b","data":1}`, "")
				require.Equal(r, http.StatusOK, status, answer)
			}
			if e.Type == "a.b" {
				require.Equal(r, topic.String(), e.Target)
				return
			}
			require.True(r, strings.HasPrefix(e.Type, "pushstream."), m.Data)
		}
	})
	require.Eventually(t, func() bool { return n.broker.Connections() == 0 }, patience, time.Millisecond)
}

// TestControlsAreOneBlock: the names in a hello come from the configuration, and are escaped all the same.
func TestControlsAreOneBlock(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text, enveloped := nasty().Draw(r, "text"), rapid.Bool().Draw(r, "envelope")
		for _, block := range [][]byte{
			sse.Hello{Connection: text, Node: text, Identity: text}.Block(enveloped),
			sse.Controls{}.Bye(enveloped, text, time.Second),
		} {
			messages := sse.NewReader(bytes.NewReader(block), sse.NewDecoder(1<<20))
			m, err := messages.Next()
			require.NoError(r, err)
			require.False(r, m.HasID)
			require.True(r, json.Valid([]byte(m.Data)), m.Data)
			require.NotContains(r, m.Type, "evil")
			_, err = messages.Next()
			require.ErrorIs(r, err, io.EOF)
		}
	})
}

// answerHeaders are the only headers that any answer may have.
var answerHeaders = []string{
	"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Allow", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Date", "Referrer-Policy", "Retry-After", "Vary", "Www-Authenticate", "X-Accel-Buffering", "X-Content-Type-Options",
}

// TestNoHeaderBecomesAnother sends headers whose values are nasty, byte by byte as they are, and looks at every answer and at
// every line of the log.
func TestNoHeaderBecomesAnother(t *testing.T) {
	var logged lockedBuffer
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := newNode(t, func(s *settings) { s.log = log })
	address := strings.TrimPrefix(n.url, "http://")
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"Host", "Origin", "Last-Event-ID", "Idempotency-Key", "X-Forwarded-For", "Authorization", "Cookie", "Accept", "Content-Type", "Access-Control-Request-Headers"}).Draw(r, "header")
		method := rapid.SampledFrom([]string{"GET", "HEAD", "POST", "OPTIONS"}).Draw(r, "method")
		path := rapid.SampledFrom([]string{"/events", "/tickets", "/readyz", "/nowhere"}).Draw(r, "path")
		head := method + " " + path + "?user=alice&topic=" + url.QueryEscape(nasty().Draw(r, "topic")) + " HTTP/1.1\r\n" + name + ": " + nasty().Draw(r, "value") + "\r\n"
		if name != "Host" {
			head += "Host: localhost\r\n"
		}
		conn, err := net.Dial("tcp", address)
		require.NoError(r, err)
		defer conn.Close()
		require.NoError(r, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(conn, head+"Content-Length: 0\r\n\r\n")
		require.NoError(r, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		require.NoError(r, err)
		defer response.Body.Close()
		for name, values := range response.Header {
			require.Contains(r, answerHeaders, name)
			require.NotContains(r, strings.Join(values, ""), "evil")
		}
		if response.Header.Get("Content-Type") == "text/event-stream" {
			return
		}
		body, err := io.ReadAll(response.Body)
		require.NoError(r, err)
		if response.Header.Get("Content-Type") == "application/problem+json" && method != "HEAD" {
			require.True(r, json.Valid(body), string(body))
			require.Equal(r, 1, bytes.Count(body, []byte("\n")))
		}
	})
	require.Eventually(t, func() bool { return n.broker.Connections() == 0 }, patience, time.Millisecond)
	for line := range strings.Lines(logged.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		require.NotContains(t, fields, "evil")
	}
}
