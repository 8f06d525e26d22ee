package httpapi_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

type hello struct {
	Protocol    int    `json:"protocol"`
	Connection  string `json:"connection"`
	Node        string `json:"node"`
	Identity    string `json:"identity"`
	HeartbeatMS int    `json:"heartbeat_ms"`
	Resumed     string `json:"resumed"`
}

func TestHelloComesFirst(t *testing.T) {
	n := newNode(t, func(s *settings) {
		s.broker.Node = "node-1"
		s.broker.Retry = 1234 * time.Millisecond
		s.broker.Store.Heartbeat = 7 * time.Second
	})
	id := n.published(t, goodEvent)
	_, seen := n.live(t, "user=alice")
	require.Equal(t, []string{"hello", "live"}, types(seen), "a fresh reader gets nothing of the past")
	require.Equal(t, 1234*time.Millisecond, seen[0].Retry)
	require.True(t, seen[0].HasRetry)
	require.True(t, seen[0].HasID)
	h := data[hello](t, seen[0])
	require.NotEmpty(t, h.Connection)
	require.Equal(t, hello{Protocol: 1, Connection: h.Connection, Node: "node-1", Identity: h.Identity, HeartbeatMS: 7000, Resumed: "none"}, h)

	_, other := n.live(t, "user=bob", "Last-Event-ID: "+id)
	require.Equal(t, id, other[0].ID, "its own cursor")
	g := data[hello](t, other[0])
	require.Equal(t, "replaying", g.Resumed)
	require.NotEqual(t, h.Connection, g.Connection)
	require.NotEqual(t, h.Identity, g.Identity)
}

func TestReaderWithoutEventsResumes(t *testing.T) {
	n := newNode(t)
	r, seen := n.live(t, "user=alice&envelope=1")
	r.close()
	first := n.published(t, goodEvent)
	second := n.published(t, `{"target":"all","type":"a.b","data":2}`)
	r, seen = n.live(t, "user=alice", "Last-Event-ID: "+seen[0].ID)
	require.Equal(t, []string{"hello", "a.b", "a.b", "live"}, types(seen))
	require.Equal(t, []string{first, second}, []string{seen[1].ID, seen[2].ID})
	third := n.published(t, goodEvent)
	require.Equal(t, third, r.next(t).ID)
}

func TestWhereTheCursorComesFrom(t *testing.T) {
	n := newNode(t)
	var ids []string
	for range 4 {
		ids = append(ids, n.published(t, goodEvent))
	}
	for name, c := range map[string]struct {
		query  string
		header []string
		after  int // the index of the cursor
	}{
		"header":               {"", []string{"Last-Event-ID: " + ids[0]}, 0},
		"lastEventId":          {"&lastEventId=" + ids[1], nil, 1},
		"last_event_id":        {"&last_event_id=" + ids[2], nil, 2},
		"header wins":          {"&lastEventId=" + ids[0] + "&last_event_id=" + ids[0], []string{"Last-Event-ID: " + ids[2]}, 2},
		"lastEventId wins":     {"&last_event_id=" + ids[0] + "&lastEventId=" + ids[1], nil, 1},
		"an empty one is none": {"&lastEventId=" + ids[1], []string{"Last-Event-ID: "}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, seen := n.live(t, "user=alice"+c.query, c.header...)
			var have []string
			for _, m := range seen[1 : len(seen)-1] {
				have = append(have, m.ID)
			}
			require.Equal(t, ids[c.after+1:], have)
		})
	}
}

func TestNonsenseCursorIsAGapAndThenLive(t *testing.T) {
	n := newNode(t)
	n.published(t, goodEvent)
	for name, cursor := range map[string]string{
		"nonsense":         "nonsense",
		"unknown timeline": "x.1-0",
		"long":             strings.Repeat("9", 4000),
		"injection":        "a.1-0%0d%0adata:%20x",
		"negative":         "x.-1-0",
	} {
		t.Run(name, func(t *testing.T) {
			r, seen := n.live(t, "user=alice&topic=t&topic=t&lastEventId="+cursor)
			require.Equal(t, []string{"hello", "gap", "live"}, types(seen))
			g := data[gap](t, seen[1])
			require.Equal(t, "lost", g.Reason)
			require.ElementsMatch(t, []string{"all", "user:alice", "topic:t"}, g.Targets, "each once")
			require.True(t, seen[2].HasID, "from here on the reader has a cursor")
			id := n.published(t, goodEvent)
			require.Equal(t, id, r.next(t).ID)
		})
	}
	_, seen := n.live(t, "user=alice", "Last-Event-ID: nonsense")
	require.False(t, seen[0].HasID, "one that cannot be read is not said again")
}

func TestHeaderCursorWinsOverNonsense(t *testing.T) {
	n := newNode(t)
	id := n.published(t, goodEvent)
	_, seen := n.live(t, "user=alice&lastEventId=nonsense", "Last-Event-ID: "+id)
	require.Equal(t, []string{"hello", "live"}, types(seen))
}

func TestWhatCannotBeRead(t *testing.T) {
	n := newNode(t)
	topics := make(url.Values)
	for range 11 {
		topics.Add("topic", "t")
	}
	for name, bad := range map[string]struct {
		query  string
		header []string
		status int
		code   string
	}{
		"topic without name":  {"topic=", nil, 422, "invalid"},
		"topic with pattern":  {"topic=a*", nil, 422, "invalid"},
		"topic with LF":       {"topic=a%0Ab", nil, 422, "invalid"},
		"topic not UTF-8":     {"topic=%ff", nil, 422, "invalid"},
		"one bad topic":       {"topic=a&topic=%20", nil, 422, "invalid"},
		"user with space":     {"user=a%20b", nil, 422, "invalid"},
		"session too long":    {"session=" + strings.Repeat("s", 201), nil, 422, "invalid"},
		"too many topics":     {topics.Encode(), nil, 400, "too_many_topics"},
		"topic not unescaped": {"topic=a%zz", nil, 400, "query"},
		"semicolon":           {"user=alice;topic=t", nil, 400, "query"},
		"foreign host":        {"", []string{"Host: evil.example"}, 403, "forbidden"},
		"foreign origin":      {"", []string{"Origin: https://evil.example"}, 403, "forbidden"},
		"forwarded":           {"", []string{"X-Forwarded-For: 127.0.0.1"}, 403, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			// Final, also for those who would be told to come back.
			a := n.do(t, call{method: http.MethodGet, path: "/events?" + bad.query, header: append(bad.header, wantStream)})
			a.refused(t, bad.status, bad.code)
			require.Empty(t, a.header.Get("Retry-After"))
			head := n.do(t, call{method: http.MethodHead, path: "/events?" + bad.query, header: append(bad.header, wantStream)})
			require.Equal(t, bad.status, head.status)
			require.Equal(t, a.header.Get("Content-Type"), head.header.Get("Content-Type"))
			require.Empty(t, head.body)
		})
	}
	require.Zero(t, n.count(t, "pushstream_connections_opened_total", ""))
	require.InDelta(t, 2, n.count(t, "pushstream_streams_refused_total", "too_many_topics"), 0)
}

func TestUnknownParametersAreIgnored(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "user=alice&user=bob&foo=bar&topic=t&topic=t&envelope=yes")
	id := n.published(t, `{"target":"topic:t","type":"a.b","data":1}`)
	m := r.next(t)
	require.Equal(t, id, m.ID)
	require.Equal(t, "a.b", m.Type, "only envelope=1 asks for envelopes")
}

func TestAsManyTopicsAsAllowed(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "topic=0&topic=1&topic=2&topic=3&topic=4&topic=5&topic=6&topic=7&topic=8&topic=9")
	id := n.published(t, `{"target":"topic:9","type":"a.b","data":1}`)
	require.Equal(t, id, r.next(t).ID)
}

func TestStreamsOverHTTP2(t *testing.T) {
	n := newNode(t)
	n.http2(t)
	r, seen := n.live(t, "user=alice")
	require.Equal(t, 2, r.response.ProtoMajor)
	other, _ := n.live(t, "user=alice")
	id := n.published(t, goodEvent)
	require.Equal(t, id, r.next(t).ID)
	require.Equal(t, id, other.next(t).ID)
	other.close()
	_, again := n.live(t, "user=alice", "Last-Event-ID: "+seen[0].ID)
	require.Equal(t, []string{"hello", "a.b", "live"}, types(again))
	n.do(t, call{method: http.MethodGet, path: "/events?topic=", header: []string{wantStream}}).refused(t, 422, "invalid")
	require.NoError(t, n.broker.Drain(t.Context()))
	r.farewell(t, "draining")
	r.ended(t)
}

func TestReaderWhoHangsUpIsForgotten(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			n := newNode(t, func(s *settings) { s.api.Connections = 1 })
			if protocol == "HTTP/2" {
				n.http2(t)
			}
			r, _ := n.live(t, "user=alice")
			require.Equal(t, 1, n.broker.Connections())
			r.close()
			require.Eventually(t, func() bool {
				return n.do(t, call{method: http.MethodHead, path: "/events"}).status == http.StatusOK
			}, patience, time.Millisecond, "its place is free again")
			require.Zero(t, n.broker.Connections())
			require.Eventually(t, func() bool { return n.count(t, "pushstream_connections_closed_total", "gone") == 1 }, patience, time.Millisecond)
			require.Zero(t, n.count(t, "pushstream_connections", ""))
		})
	}
}

func TestDrain(t *testing.T) {
	n := newNode(t)
	plain, _ := n.live(t, "user=alice")
	wrapped, _ := n.live(t, "user=alice&envelope=1")
	id := n.published(t, goodEvent)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, n.broker.Drain(ctx))
	require.Equal(t, id, plain.next(t).ID, "what was taken before is given before")
	plain.farewell(t, "draining")
	plain.ended(t)
	seen := wrapped.until(t, "pushstream.bye")
	require.Equal(t, "draining", data[bye](t, sse.Message{Data: string(unwrap(t, seen[len(seen)-1]).Data)}).Reason)
	wrapped.ended(t)

	late := n.open(t, "user=alice")
	late.farewell(t, "draining")
	late.close()
	a := n.do(t, call{method: http.MethodGet, path: "/events?user=alice"})
	a.refused(t, http.StatusServiceUnavailable, "draining")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	n.do(t, call{method: http.MethodGet, path: "/readyz"}).refused(t, http.StatusServiceUnavailable, "draining")
	n.published(t, goodEvent) // a balancer may still send publishers here
	require.Eventually(t, func() bool { return n.count(t, "pushstream_connections_closed_total", "draining") == 2 }, patience, time.Millisecond)
	require.InDelta(t, 2, n.count(t, "pushstream_streams_refused_total", "draining"), 0)
}

func TestStoppedBroker(t *testing.T) {
	n := newNode(t, func(s *settings) { s.idle = true })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.broker.Run(ctx) }() // joined below
	require.Eventually(t, func() bool { return n.broker.Ready() == nil }, patience, time.Millisecond)
	r, _ := n.live(t, "user=alice")
	cancel()
	require.NoError(t, <-ended)
	r.ended(t)
	require.Eventually(t, func() bool { return n.count(t, "pushstream_connections_closed_total", "stopped") == 1 }, patience, time.Millisecond)
}
