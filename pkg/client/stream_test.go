package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	hello = "retry: 2000\nid: x.1-0\ndata: {\"id\":\"x.1-0\",\"type\":\"pushstream.hello\",\"data\":{\"protocol\":1,\"connection\":\"C\",\"node\":\"N\",\"identity\":\"I\",\"heartbeat_ms\":15000,\"resumed\":\"none\"}}\n\n"
	live  = "data: {\"type\":\"pushstream.live\",\"data\":{}}\n\n"
)

// block is an event in an envelope.
func block(id, data string) string { return blockUnder(id, id, data) }

// blockUnder is an event under the id of another.
func blockUnder(cursor, id, data string) string {
	return fmt.Sprintf("id: %s\ndata: {\"id\":%q,\"type\":\"a.b\",\"target\":\"topic:news\",\"data\":%s,\"time\":\"2026-11-23T13:45:11.651Z\",\"meta\":{\"m\":1}}\n\n", cursor, id, data)
}

func ping(id string) string {
	return "id: " + id + "\ndata: {\"type\":\"pushstream.ping\",\"data\":{}}\n\n"
}

func gapBlock(id, reason string, targets ...string) string {
	return fmt.Sprintf("id: %s\ndata: {\"type\":\"pushstream.gap\",\"data\":{\"targets\":[\"%s\"],\"reason\":%q}}\n\n", id, strings.Join(targets, `","`), reason)
}

func bye(reason string, reconnect int) string {
	return fmt.Sprintf("retry: %d\ndata: {\"type\":\"pushstream.bye\",\"data\":{\"reason\":%q,\"reconnect_ms\":%d}}\n\n", reconnect, reason, reconnect)
}

func farewell(reason string) string {
	return fmt.Sprintf("data: {\"type\":\"pushstream.bye\",\"data\":{\"reason\":%q}}\n\n", reason)
}

// heard is what a consumer was given.
type heard struct {
	ids  []string
	data []string
	err  error
}

// subscribe opens a stream, which is closed when the test ends.
func subscribe(tb testing.TB, c *client.Client, sub client.Subscription) *client.Stream {
	tb.Helper()
	s, err := c.Subscribe(tb.Context(), sub)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// hear consumes so many events, or all until the end where it is 0.
func hear(s *client.Stream, n int) (h heard) {
	for e, err := range s.Events() {
		if err != nil {
			h.err = err
			break
		}
		h.ids, h.data = append(h.ids, e.ID), append(h.data, string(e.Data))
		if len(h.ids) == n {
			break
		}
	}
	return h
}

// finalError reads a stream to its end, and returns why it ended.
func finalError(t *testing.T, s *client.Stream) error {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return hear(s, 0).err
}

// states collects what OnState is told.
type states struct {
	mu  sync.Mutex
	all []client.State
}

func (s *states) add(state client.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, state)
}

func (s *states) phases() (phases []client.Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.all {
		phases = append(phases, state.Phase)
	}
	return phases
}

func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, block("x.2-0", `{"n": 1.50}`), live, "data: {\"type\":\"a.c\",\"target\":\"all\",\"data\":null}\n\n"))
		var told states
		stream := subscribe(t, s.connect(t, func(cfg *client.Config) { cfg.Credential = client.FixedCredential("secret") }), client.Subscription{
			Topics: []string{"news", "a&b=c"}, User: "alice", Session: "s", LastEventID: "x.0-0", OnState: told.add,
		})
		var got []client.Event
		require.Equal(t, "x.0-0", stream.LastEventID())
		for e, err := range stream.Events() {
			require.NoError(t, err)
			require.Equal(t, "x.2-0", stream.LastEventID())
			if got = append(got, e); len(got) == 2 {
				break
			}
		}
		require.Equal(t, []client.Event{
			{
				ID: "x.2-0", Type: "a.b", Target: "topic:news", Data: json.RawMessage(`{"n": 1.50}`), Meta: json.RawMessage(`{"m":1}`),
				Time: time.Date(2026, 11, 23, 13, 45, 11, 651e6, time.UTC),
			},
			{Type: "a.c", Target: "all", Data: json.RawMessage("null")},
		}, got)
		require.Equal(t, []client.State{
			{Phase: client.PhaseOpen, Connection: "C", Node: "N", Identity: "I"}, {Phase: client.PhaseLive, Connection: "C", Node: "N", Identity: "I"},
		}, told.all)

		requests, _, _ := s.seen()
		require.Equal(t, "/events?envelope=1&session=s&topic=news&topic=a%26b%3Dc&user=alice", requests[0].URL.String())
		require.Equal(t, "text/event-stream", requests[0].Header.Get("Accept"))
		require.Equal(t, "identity", requests[0].Header.Get("Accept-Encoding"))
		require.Equal(t, "x.0-0", requests[0].Header.Get("Last-Event-ID"))
		require.Equal(t, "Bearer secret", requests[0].Header.Get("Authorization"))
	})
}

func TestPlainForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open("id: x.1-0\nevent: pushstream.hello\ndata: {}\n\n", "id: x.2-0\nevent: a.b\ndata: 1\n\nevent: a.b\ndata: 2\n\n",
			"id: x.2-0\nevent: a.b\ndata: 3\n\n"))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{Form: client.FormPlain})
		h := hear(stream, 3)
		require.Equal(t, []string{"x.2-0", "", "x.2-0"}, h.ids)
		require.Equal(t, []string{"1", "2", "3"}, h.data, "what is read again comes under the id of another event: it must not be dropped")
		requests, _, _ := s.seen()
		require.Equal(t, "/events", requests[0].URL.String())
	})
}

func TestCutInMidBlock(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"reset":   cut(hello, live, block("x.2-0", "1"), block("x.3-0", "2")[:40]),
		"orderly": stream(hello, live, block("x.2-0", "1"), strings.TrimSuffix(block("x.3-0", "2"), "\n")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, first, open(hello, block("x.3-0", "2"), live))
				var told states
				stream := subscribe(t, s.connect(t, nil), client.Subscription{OnState: told.add})
				h := hear(stream, 2)
				require.Equal(t, []string{"x.2-0", "x.3-0"}, h.ids)
				synctest.Wait()
				requests, _, times := s.seen()
				require.Equal(t, "x.2-0", requests[1].Header.Get("Last-Event-ID"))
				require.GreaterOrEqual(t, times[1], 2*time.Second, "the server's retry time")
				require.LessOrEqual(t, times[1], 3*time.Second)
				require.Equal(t, []client.Phase{client.PhaseOpen, client.PhaseLive, client.PhaseWaiting, client.PhaseOpen, client.PhaseLive}, told.phases())
				if name == "reset" {
					require.ErrorIs(t, told.all[2].Err, client.ErrUnavailable)
				} else {
					require.NoError(t, told.all[2].Err)
				}
			})
		})
	}
}

func TestGoodbyeWithATimeToComeBack(t *testing.T) {
	for _, reason := range []string{"draining", "max_age", "overloaded", "unavailable", "ended", "of a later version", "expired"} {
		blocks := []string{hello, live, block("x.2-0", "1"), bye(reason, 4321)}
		for name, first := range map[string]http.HandlerFunc{"ends": stream(blocks...), "holds": open(blocks...)} {
			t.Run(reason+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					held := make(chan time.Duration, 1)
					s := serve(t, func(w http.ResponseWriter, r *http.Request) {
						began := time.Now()
						first(w, r)
						held <- time.Since(began)
					}, open(hello, block("x.3-0", "2")))
					asked := 0
					var told states
					c := s.connect(t, func(cfg *client.Config) {
						cfg.Credential = func(context.Context) (string, error) {
							asked++
							return fmt.Sprintf("token-%d", asked), nil
						}
					})
					require.Len(t, hear(subscribe(t, c, client.Subscription{OnState: told.add}), 2).ids, 2)
					requests, _, times := s.seen()
					require.Equal(t, 4321*time.Millisecond, times[1], "no sooner and no later")
					if name == "holds" {
						require.Equal(t, 4321*time.Millisecond, <-held, "who holds is not left before the time")
					}
					require.Equal(t, "x.2-0", requests[1].Header.Get("Last-Event-ID"))
					require.Equal(t, "Bearer token-2", requests[1].Header.Get("Authorization"))
					require.NotErrorIs(t, told.all[2].Err, client.ErrEnded)
				})
			})
		}
	}
}

func TestFinalEnds(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    []error
		events  int
	}{
		"revoked":         {open(hello, block("x.2-0", "1"), farewell("revoked")), []error{client.ErrRevoked, client.ErrEnded}, 1},
		"another goodbye": {open(hello, block("x.2-0", "1"), block("x.3-0", "2"), farewell("enough")), []error{client.ErrEnded}, 2},
		"204":             {answer(204, nil, ""), []error{client.ErrEnded}, 0},
		"400":             {problem(400, "too_many_topics"), []error{client.ErrInvalid}, 0},
		"401":             {problem(401, "token_invalid"), []error{client.ErrUnauthorized}, 0},
		"401 refused":     {problem(401, "token_refused"), []error{client.ErrUnauthorized, client.ErrRevoked}, 0},
		"403":             {problem(403, "forbidden"), []error{client.ErrForbidden}, 0},
		"404":             {answer(404, nil, ""), []error{client.ErrInvalid}, 0},
		"a page":          {answer(200, http.Header{"Content-Type": {"text/html"}}, "<html>"), []error{client.ErrProtocol}, 0},
		"gzip": {
			answer(200, http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"gzip"}}, "\x1f\x8b"),
			[]error{client.ErrProtocol},
			0,
		},
		"a later version": {
			open(strings.ReplaceAll(hello, `"protocol":1`, `"protocol":2`), block("x.2-0", "1"), farewell("enough")), []error{client.ErrProtocol}, 0,
		},
		"no envelope":         {open(hello, block("x.2-0", "1"), "id: x.3-0\ndata: 1\n\n"), []error{client.ErrProtocol}, 1},
		"envelope of nothing": {open(hello, "id: x.3-0\ndata: {\"data\":1}\n\n"), []error{client.ErrProtocol}, 0},
		"a line of 10 MB":     {open(hello, block("x.2-0", "1"), "data: ", strings.Repeat("x", 10<<20)), []error{client.ErrTooLarge}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler)
				stream := subscribe(t, s.connect(t, nil), client.Subscription{Buffer: 5})
				synctest.Wait()
				h := hear(stream, 0)
				require.Len(t, h.ids, c.events, "what came before the end is handed over")
				for _, want := range c.want {
					require.ErrorIs(t, h.err, want)
				}
				require.Equal(t, h.err, stream.Err())
				require.Equal(t, h.err, hear(stream, 0).err, "it is told again to who asks again")
				if c.events > 0 {
					require.Equal(t, fmt.Sprintf("x.%d-0", c.events+1), stream.LastEventID())
				}
				requests, _, _ := s.seen()
				require.Len(t, requests, 1)
			})
		})
	}
}

func TestEndsThatPass(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		least   time.Duration
		most    time.Duration
	}{
		"refused":       {cut(), 0, 500 * time.Millisecond},
		"no answer":     {hang, 30 * time.Second, 30500 * time.Millisecond},
		"no first byte": {open(), 30 * time.Second, 30500 * time.Millisecond},
		"408":           {problem(408, ""), 0, 500 * time.Millisecond},
		"425":           {problem(425, ""), 0, 500 * time.Millisecond},
		"429":           {problem(429, "", "5"), 5 * time.Second, 5500 * time.Millisecond},
		"500":           {problem(500, "internal"), 0, 500 * time.Millisecond},
		"503":           {problem(503, "keys_unavailable", "2"), 2 * time.Second, 2500 * time.Millisecond},
		"401 expired":   {problem(401, "token_expired"), 0, 0},
		"401 ticket":    {problem(401, "ticket_invalid"), 0, 0},
		"bye only":      {stream(bye("overloaded", 3000)), 3 * time.Second, 3 * time.Second},
		"silence":       {open(hello, live), 37500 * time.Millisecond, 41 * time.Second},
		"no retry":      {stream("id: x.1-0\ndata: {\"type\":\"pushstream.live\"}\n\n"), 0, 500 * time.Millisecond},
		"retry of zero": {stream("retry: 0\n\n"), 0, 500 * time.Millisecond},
		"retry too far": {stream("retry: 99999999999999\n\n"), 10 * time.Minute, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler, open(hello, live, block("x.2-0", "1")))
				require.Equal(t, []string{"x.2-0"}, hear(subscribe(t, s.connect(t, nil), client.Subscription{}), 1).ids)
				_, _, times := s.seen()
				require.GreaterOrEqual(t, times[1], c.least)
				require.LessOrEqual(t, times[1], c.most)
			})
		})
	}
}

func TestAPageInBetweenPassesOnceThereWasAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, stream(hello, live), answer(200, nil, "<html>"), answer(302, http.Header{"Location": {"/x"}}, ""), open(hello, block("x.2-0", "1")))
		require.Equal(t, []string{"x.2-0"}, hear(subscribe(t, s.connect(t, nil), client.Subscription{}), 1).ids)
	})
}

func TestAnExpiredCredentialIsRenewedOnce(t *testing.T) {
	for name, handlers := range map[string][]http.HandlerFunc{
		"401": {problem(401, "token_expired")},
		"bye": {stream(bye("expired", 10))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, handlers...)
				err := finalError(t, subscribe(t, s.connect(t, nil), client.Subscription{}))
				require.ErrorIs(t, err, client.ErrUnauthorized)
				requests, _, _ := s.seen()
				require.Len(t, requests, 2)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, problem(401, "token_expired"), stream(hello, live), problem(401, "token_expired"), open(hello, block("x.2-0", "1")))
		require.Len(t, hear(subscribe(t, s.connect(t, nil), client.Subscription{}), 1).ids, 1, "a stream in between is a new beginning")
	})
}

func TestWaitsGrowWhileNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		handlers := make([]http.HandlerFunc, 0, n+1)
		for range n {
			handlers = append(handlers, cut())
		}
		s := serve(t, append(handlers, stream(live), open(hello, block("x.2-0", "1")))...)
		c := s.connect(t, func(cfg *client.Config) { cfg.BackoffMin, cfg.BackoffMax = 100*time.Millisecond, 10*time.Second })
		require.Len(t, hear(subscribe(t, c, client.Subscription{}), 1).ids, 1)
		_, _, times := s.seen()
		most := 100 * time.Millisecond
		var sum time.Duration
		for i := 1; i <= n; i++ {
			wait := times[i] - times[i-1]
			require.LessOrEqual(t, wait, most)
			most = min(2*most, 10*time.Second)
			sum += wait
		}
		require.InDelta(t, 5, (sum / n).Seconds(), 1.5, "full jitter: half of the most, on average")
		require.LessOrEqual(t, times[n+1]-times[n], 100*time.Millisecond, "a stream that was live is a new beginning")
	})
}

func TestSlowConsumerIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blocks []string
		for i := range 100 {
			blocks = append(blocks, block(fmt.Sprintf("x.%d-0", 2+i), fmt.Sprintf("%q", strings.Repeat("x", 1000))))
		}
		s := serve(t, open(append([]string{hello, live}, blocks...)...))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{})
		for i := range 90 { // what comes after the last one is silence
			<-time.After(10 * time.Minute)
			require.Equal(t, []string{fmt.Sprintf("x.%d-0", 2+i)}, hear(stream, 1).ids)
		}
		requests, _, _ := s.seen()
		require.Len(t, requests, 1, "the consumer's time is not the server's")
	})
}

func TestBackPressureReachesTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent, all := 0, 2000
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			stream(hello, live)(w, r)
			for i := range all {
				send(w, block(fmt.Sprintf("x.%d-0", 2+i), fmt.Sprintf("%q", strings.Repeat("x", 1000))))
				sent++
			}
			<-r.Context().Done()
		})
		stream := subscribe(t, s.connect(t, nil), client.Subscription{Buffer: 10})
		synctest.Wait()
		require.Less(t, sent, 40, "the buffer, and what is in the readers of the connection")
		require.Equal(t, "x.1-0", stream.LastEventID(), "nothing was handed over yet")
		h := hear(stream, all)
		require.Len(t, h.ids, all)
		for i, id := range h.ids {
			require.Equal(t, fmt.Sprintf("x.%d-0", 2+i), id)
		}
	})
}

func TestLastEventIDIsNeverAheadOfTheConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t,
			stream(hello, block("x.2-0", "1"), block("x.3-0", "2"), live, ping("x.8-0"), ping("x.9-0")),
			open(strings.ReplaceAll(hello, "x.1-0", "x.9-0"), live, ping("x.10-0")))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{Buffer: 10})
		<-time.After(time.Minute / 4)
		requests, _, _ := s.seen()
		require.Equal(t, "x.9-0", requests[1].Header.Get("Last-Event-ID"), "what is in the buffer is not asked for again")
		require.Equal(t, "x.1-0", stream.LastEventID())
		hear(stream, 1)
		require.Equal(t, "x.2-0", stream.LastEventID())
		hear(stream, 1)
		require.Equal(t, "x.10-0", stream.LastEventID(), "and everything behind it that is no event")
	})
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, live, ping("x.5-0"), blockUnder("x.7-0", "x.6-0", "1")))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{})
		synctest.Wait()
		require.Equal(t, "x.5-0", stream.LastEventID())
		require.Equal(t, []string{"x.6-0"}, hear(stream, 1).ids)
		require.Equal(t, "x.7-0", stream.LastEventID(), "the cursor, not the event's own id")
	})
}

func TestEventsThatComeTwice(t *testing.T) {
	for keep, want := range map[bool][]string{false: {"x.2-0", "x.3-0", "x.4-0"}, true: {"x.2-0", "x.3-0", "x.2-0", "x.3-0", "x.4-0"}} {
		synctest.Test(t, func(t *testing.T) {
			live := "data: {\"type\":\"a.b\",\"target\":\"all\",\"data\":0}\n\n"
			s := serve(t, stream(hello, block("x.2-0", "1"), block("x.3-0", "2")),
				open(hello, live, live, blockUnder("x.3-0", "x.2-0", "1"), block("x.3-0", "2"), block("x.4-0", "3")))
			stream := subscribe(t, s.connect(t, nil), client.Subscription{KeepDuplicates: keep})
			var ids []string
			empty := 0
			for _, id := range hear(stream, len(want)+2).ids {
				if id == "" {
					empty++
					continue
				}
				ids = append(ids, id)
			}
			require.Equal(t, want, ids)
			require.Equal(t, 2, empty, "events without id are never the same")
		})
	}
	synctest.Test(t, func(t *testing.T) {
		blocks := []string{hello}
		for i := range 1025 {
			blocks = append(blocks, block(fmt.Sprintf("x.%d-0", 2+i), "1"))
		}
		s := serve(t, open(append(blocks, block("x.2-0", "1"), block("x.1026-0", "1"), block("x.9999-0", "1"))...))
		h := hear(subscribe(t, s.connect(t, nil), client.Subscription{}), 1027)
		require.Equal(t, []string{"x.2-0", "x.9999-0"}, h.ids[1025:], "what is known is bounded")
	})
}

func TestGap(t *testing.T) {
	handler := open(hello, block("x.2-0", "1"), gapBlock("x.2-0", "trimmed", "topic:news", "all"), block("x.5-0", "2"),
		"id: x.5-0\ndata: {\"type\":\"pushstream.gap\",\"data\":7}\n\n", block("x.6-0", "3"))
	gaps := []client.Gap{{Targets: []string{"topic:news", "all"}, Reason: event.GapTrimmed}, {Reason: event.GapLost}}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, handler)
		var seen []string
		var got []client.Gap
		stream := subscribe(t, s.connect(t, nil), client.Subscription{Buffer: 10, OnGap: func(g client.Gap) {
			seen, got = append(seen, string(g.Reason)), append(got, g)
		}})
		synctest.Wait()
		require.Empty(t, seen, "not before what came before it")
		for e, err := range stream.Events() {
			require.NoError(t, err)
			if seen = append(seen, e.ID); e.ID == "x.6-0" {
				break
			}
		}
		require.Equal(t, []string{"x.2-0", "trimmed", "x.5-0", "lost", "x.6-0"}, seen)
		require.Equal(t, gaps, got)
		require.True(t, got[0].Concerns("all"))
		require.False(t, got[0].Concerns("user:alice"))
		require.True(t, got[1].Concerns("user:alice"), "of what cannot be read, everything")
	})
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, handler)
		stream := subscribe(t, s.connect(t, nil), client.Subscription{})
		var got []client.Gap
		var types []string
		for e, err := range stream.Events() {
			require.NoError(t, err)
			if types = append(types, e.Type); e.Gap != nil {
				got = append(got, *e.Gap)
			}
			if e.ID == "x.6-0" {
				break
			}
		}
		require.Equal(t, []string{"a.b", client.TypeGap, "a.b", client.TypeGap, "a.b"}, types)
		require.Equal(t, gaps, got)
	})
}

func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				tickets++
				answer(201, nil, fmt.Sprintf(`{"ticket":"ticket-%d","expires_in":30}`, tickets))(w, r)
			case tickets == 1:
				stream(hello, live)(w, r)
			case tickets == 2:
				cut()(w, r)
			default:
				open(hello, block("x.2-0", "1"))(w, r)
			}
		})
		var told states
		c := s.connect(t, func(cfg *client.Config) { cfg.Credential = client.FixedCredential("secret") })
		require.Len(t, hear(subscribe(t, c, client.Subscription{Ticket: true, OnState: told.add}), 1).ids, 1)
		requests, bodies, _ := s.seen()
		var lines []string
		for _, r := range requests {
			lines = append(lines, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		}
		require.Equal(t, []string{
			"POST /tickets Bearer secret", "GET /events?envelope=1&ticket=ticket-1 ",
			"POST /tickets Bearer secret", "GET /events?envelope=1&ticket=ticket-2 ",
			"POST /tickets Bearer secret", "GET /events?envelope=1&ticket=ticket-3 ",
		}, lines)
		require.Equal(t, "{}", bodies[0])
		for _, state := range told.all {
			if state.Err != nil {
				require.NotContains(t, state.Err.Error(), "ticket-")
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answer(201, nil, `{"ticket":"ticket-1"}`), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		var told states
		subscribe(t, s.connect(t, nil), client.Subscription{Ticket: true, OnState: told.add})
		synctest.Wait()
		require.Equal(t, []client.Phase{client.PhaseWaiting}, told.phases())
		require.ErrorContains(t, told.all[0].Err, "unavailable: GET /events at node.test: ", "and nothing of the ticket")
		require.NotContains(t, told.all[0].Err.Error(), "ticket-1")
	})
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"static key":  {problem(403, "forbidden"), client.ErrForbidden},
		"no such API": {answer(404, nil, ""), client.ErrInvalid},
		"nonsense":    {answer(201, nil, "{}"), client.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler)
				require.ErrorIs(t, finalError(t, subscribe(t, s.connect(t, nil), client.Subscription{Ticket: true})), c.want)
			})
		})
	}
}

func TestContextEndsAStream(t *testing.T) {
	stop := errors.New("enough")
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		sub     client.Subscription
	}{
		"no answer":     {hang, client.Subscription{}},
		"silent":        {open(hello, live), client.Subscription{}},
		"waiting":       {problem(503, "", "60"), client.Subscription{}},
		"ticket":        {hang, client.Subscription{Ticket: true}},
		"after goodbye": {open(hello, bye("draining", 600_000)), client.Subscription{}},
		"buffer full":   {open(hello, block("x.2-0", "1"), block("x.3-0", "1"), block("x.4-0", "1")), client.Subscription{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler)
				ctx, cancel := context.WithCancelCause(t.Context())
				stream, err := s.connect(t, nil).Subscribe(ctx, c.sub)
				require.NoError(t, err)
				defer stream.Close()
				synctest.Wait()
				began := time.Now()
				ended := make(chan heard)
				if name != "buffer full" {
					go func() { ended <- hear(stream, 0) }() // received below
					synctest.Wait()
				}
				cancel(stop)
				if name == "buffer full" {
					go func() { ended <- hear(stream, 0) }() // received below
				}
				h := <-ended
				require.Equal(t, stop, h.err)
				require.Empty(t, h.ids, "what was read ahead is not given")
				require.Zero(t, time.Since(began))
				require.Equal(t, stop, stream.Err())
			})
		})
		t.Run(name+", closed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler)
				stream, err := s.connect(t, nil).Subscribe(t.Context(), c.sub)
				require.NoError(t, err)
				synctest.Wait()
				require.NoError(t, stream.Close())
				require.NoError(t, stream.Close())
				require.Equal(t, heard{}, hear(stream, 0))
				require.NoError(t, stream.Err())
			})
		})
	}
}

func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, live, block("x.2-0", "1"), gapBlock("x.2-0", "lost", "all"), block("x.3-0", "2"), farewell("revoked")))
		gaps := 0
		stream := subscribe(t, s.connect(t, nil), client.Subscription{OnGap: func(client.Gap) { gaps++ }})
		c := stream.C()
		require.Equal(t, c, stream.C())
		synctest.Wait()
		require.Equal(t, "x.1-0", stream.LastEventID(), "offered is not handed over")
		require.Zero(t, gaps)
		require.Equal(t, "x.2-0", (<-stream.C()).ID)
		synctest.Wait()
		require.Equal(t, "x.2-0", stream.LastEventID())
		require.Equal(t, 1, gaps)
		require.Equal(t, "x.3-0", (<-stream.C()).ID)
		_, more := <-stream.C()
		require.False(t, more)
		require.ErrorIs(t, stream.Err(), client.ErrRevoked)
	})
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, block("x.2-0", "1")))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{})
		c := stream.C()
		synctest.Wait()
		require.NoError(t, stream.Close())
		_, more := <-c
		require.False(t, more)
		require.NoError(t, stream.Err())
	})
}

func TestAChannelOfAStreamThatIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, live, block("x.2-0", "1")))
		stream := subscribe(t, s.connect(t, nil), client.Subscription{})
		require.NoError(t, stream.Close())
		for range 2 {
			_, more := <-stream.C()
			require.False(t, more)
		}
	})
	// Where the stream has ended by itself, there is nothing else to wait for: the race detector sees whether Close knows of
	// what C begins.
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, open(hello, gapBlock("x.1-0", "lost", "all"), farewell("enough")))
		begun, goOn := make(chan struct{}), make(chan struct{})
		stream := subscribe(t, s.connect(t, nil), client.Subscription{OnGap: func(client.Gap) {
			close(begun)
			<-goOn
		}})
		synctest.Wait()
		require.ErrorIs(t, stream.Err(), client.ErrEnded)
		closed := make(chan struct{})
		go func() { // received below. The clock of the bubble puts it behind C, without a word between them
			<-time.After(time.Second)
			_ = stream.Close()
			close(closed)
		}()
		go func() { // it ends with C, which returns at once
			stream.C()
		}()
		<-begun
		<-time.After(2 * time.Second)
		select {
		case <-closed:
			t.Error("Close does not wait")
		default:
		}
		close(goOn)
		<-closed
	})
}

func TestStreamsGoToTheNextURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, stream(hello, live, block("x.2-0", "1")), cut(), open(hello, live, block("x.3-0", "1")))
		c := s.connect(t, func(cfg *client.Config) {
			cfg.URLs = []string{"http://one.test", "http://two.test/base", "http://three.test"}
		})
		require.Len(t, hear(subscribe(t, c, client.Subscription{}), 2).ids, 2)
		requests, _, _ := s.seen()
		var hosts []string
		for _, r := range requests {
			hosts = append(hosts, r.Host+r.URL.Path)
		}
		require.Equal(t, []string{"one.test/events", "two.test/base/events", "three.test/events"}, hosts)
	})
}

func TestBadSubscriptions(t *testing.T) {
	c, err := client.New(withURL("http://node.test"))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Subscribe(t.Context(), client.Subscription{
		Topics: []string{"news", "a b"}, User: "*", Session: "{", Form: 2, Buffer: -1,
	})
	require.ErrorIs(t, err, client.ErrInvalid)
	for _, field := range []string{"Topics[1]: ", "User: ", "Session: ", "Form: ", "Buffer: "} {
		require.Contains(t, err.Error(), field)
	}
}
