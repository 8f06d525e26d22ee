package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"

// chunked returns a body in chunks of a size.
func chunked(body string, size int) string {
	var text strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&text, "%X;x=1\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return text.String()
}

// stream returns blocks as a node writes them.
func stream(t *testing.T) string {
	t.Helper()
	id := func(n int) event.Position {
		p, err := event.ParsePosition(fmt.Sprintf("ABCDEFGH.1795441488537-%d", n))
		require.NoError(t, err)
		return p
	}
	topic, err := event.Topic("bench.x.0")
	require.NoError(t, err)
	other, err := event.ParseType("order.created")
	require.NoError(t, err)
	own, err := event.ParseType(eventType)
	require.NoError(t, err)
	controls := sse.Controls{}
	blocks := [][]byte{
		sse.Hello{Cursor: id(0), Heartbeat: 15 * time.Second, Retry: 1500 * time.Millisecond}.Block(false),
		controls.Live(false, id(1)), controls.Gap(false, id(2), []event.Target{topic}, event.GapTrimmed), controls.Ping(false, id(3)),
	}
	for n := range 3 {
		data, err := event.ParseJSON(appendPayload(nil, uint64(n), time.Second, minSize+100*n))
		require.NoError(t, err)
		blocks = append(blocks, sse.NewFrame(topic, event.Event{Type: own, Data: data}, id(4+n)).Block(false))
		foreign, err := event.Text("{\"q\":")
		require.NoError(t, err)
		blocks = append(blocks, sse.NewFrame(topic, event.Event{Type: other, Data: foreign}, id(10+n)).Block(false))
	}
	blocks = append(blocks, controls.Bye(false, "draining", 2*time.Second))
	var all strings.Builder
	for _, b := range blocks {
		all.Write(b)
	}
	return all.String()
}

// However the bytes are cut, the blocks are those that the decoder of browsers' rules finds.
func TestWireReadsWhatTheDecoderReads(t *testing.T) {
	body := stream(t)
	var want []string
	decoder := sse.NewDecoder(1 << 20)
	require.NoError(t, decoder.Feed([]byte(body), func(m sse.Message) error {
		kind := kindOf([]byte(m.Type))
		note := ""
		switch kind {
		case kindEvent:
			number, stamp, ok := parsePayload([]byte(m.Data))
			require.True(t, ok)
			note = fmt.Sprint(number, stamp)
		case kindHello, kindGap, kindBye:
			note = m.Data
		case kindOther, kindLive:
		}
		want = append(want, fmt.Sprint(kind, note, m.ID))
		return nil
	}))
	rapid.Check(t, func(t *rapid.T) {
		text := streamHead + "\r\n" + body + "data: cut"
		if size := rapid.IntRange(0, 50).Draw(t, "chunk"); size > 0 {
			text = "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + streamHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body, size) + "0\r\n\r\n"
		}
		var w wire
		var got []string
		block := func() error {
			note := w.note
			if w.kind == kindEvent {
				note = fmt.Sprint(w.number, w.stamp)
			}
			got = append(got, fmt.Sprint(w.kind, note, string(w.cursor)))
			return nil
		}
		for len(text) > 0 {
			n := min(rapid.IntRange(1, 200).Draw(t, "n"), len(text))
			require.NoError(t, w.feed([]byte(text[:n]), block))
			text = text[n:]
		}
		require.Equal(t, want, got)
		require.Equal(t, decoder.LastEventID(), string(w.cursor))
		require.Equal(t, 2*time.Second, w.retry)
	})
}

// A reader that breaks off within a block comes back with the id before it.
func TestABlockThatIsCutOffDoesNotCount(t *testing.T) {
	var w wire
	events := 0
	feed := func(text string) {
		require.NoError(t, w.feed([]byte(text), func() error {
			events++
			return nil
		}))
	}
	feed(streamHead + "\r\nid: a\nevent: bench.event\ndata: " + string(appendPayload(nil, 7, 1, minSize)) + "\n\nid: b\nevent: bench.event\ndata: {")
	require.Equal(t, 1, events)
	require.Equal(t, "a", string(w.cursor))
	w.reset()
	feed(streamHead + "\r\n\n")
	require.Equal(t, 1, events)
	require.Equal(t, "a", string(w.cursor))
}

func TestAnswersThatAreNoStream(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n":         "status 503",
		"HTTP/1.1 204 No Content\r\n\r\n":                                    "status 204",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>":           "no event stream",
		"HTTP/1.1 200 OK\r\n\r\n":                                            "no event stream",
		streamHead + "Content-Encoding: gzip\r\n\r\n":                        "compressed",
		"SSH-2.0-OpenSSH\r\n":                                                "does not speak HTTP/1.1",
		"\r\n":                                                               "does not speak HTTP/1.1",
		streamHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc":            "not as long as it says",
		streamHead + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n":             "not as long as it says",
		streamHead + "\r\ndata: " + strings.Repeat("x", maxLine):             "a line has over",
		streamHead + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n": "not as long as it says",
	} {
		var w wire
		require.ErrorContains(t, w.feed([]byte(answer), func() error { return nil }), want, "%.60q", answer)
	}
	var w wire
	err := w.feed([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n"), nil)
	require.Equal(t, refusal{503, 7 * time.Second}, err)
	require.False(t, final(err))
	require.True(t, final(refusal{status: 403}))
	require.True(t, final(refusal{status: 204}))
	require.False(t, final(refusal{status: 429}))
}

func TestPayloadsHaveTheirSizeAndAreJSON(t *testing.T) {
	for _, size := range []int{minSize, 65, 127, 128, 129, 1000, 70_000} {
		data := appendPayload(nil, 12345, 67890, size)
		require.Len(t, data, size)
		_, err := event.ParseJSON(data)
		require.NoError(t, err)
		number, stamp, ok := parsePayload(data)
		require.True(t, ok)
		require.Equal(t, uint64(12345), number)
		require.Equal(t, time.Duration(67890), stamp)
	}
	for _, other := range []string{"", "null", `{"q":`, `{"q":1`, `{"q":1,"t":2}`, `{"q":1,"x":2,"p":""}`} {
		_, _, ok := parsePayload([]byte(other))
		require.False(t, ok, other)
	}
}

// A reader that nothing is wrong with makes no garbage.
func TestAnEventAllocatesNothing(t *testing.T) {
	var w wire
	block := func() error { return nil }
	require.NoError(t, w.feed([]byte(streamHead+"\r\n"), block))
	text := []byte("id: ABCDEFGH.1795441488537-0\nevent: bench.event\ndata: " + string(appendPayload(nil, 7, 1, 128)) + "\n\n")
	require.NoError(t, w.feed(text, block))
	require.NoError(t, w.feed(text, block))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = w.feed(text, block) }))
}
