package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

// results answers a batch: with the id of each event's key, or the statuses in turn that a key has.
func results(s **server, statuses map[string][]int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, bodies, _ := (*s).seen()
		var events []struct{ Key string }
		if err := json.Unmarshal([]byte(bodies[len(bodies)-1]), &events); err != nil {
			panic(err)
		}
		var answers []string
		for _, e := range events {
			if left := statuses[e.Key]; len(left) > 0 {
				statuses[e.Key] = left[1:]
				answers = append(answers, fmt.Sprintf(`{"error":{"title":"T","status":%d,"detail":"because","code":"c"}}`, left[0]))
				continue
			}
			answers = append(answers, `{"id":"id-`+e.Key+`"}`)
		}
		answer(200, nil, `{"results":[`+strings.Join(answers, ",")+`]}`)(w, nil)
	}
}

func orders(n int) (events []client.Publication) {
	for i := range n {
		events = append(events, order(i))
	}
	return events
}

// keysOf returns the keys of each request.
func keysOf(t *testing.T, s *server) (keys []string) {
	t.Helper()
	_, bodies, _ := s.seen()
	for _, body := range bodies {
		var events []struct{ Key string }
		require.NoError(t, json.Unmarshal([]byte(body), &events))
		var of []string
		for _, e := range events {
			of = append(of, e.Key)
		}
		keys = append(keys, strings.Join(of, " "))
	}
	return keys
}

func TestBatchSendsAgainWhatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, results(&s, map[string][]int{"k1": {503}, "k2": {422}, "k3": {429, 503}, "k5": {403}}))
		got, err := s.connect(t, nil).PublishBatch(t.Context(), orders(6))
		require.ErrorIs(t, err, client.ErrInvalid)
		require.EqualError(t, err, "publish batch: 2 of 6 events: status 422 (c): because")
		require.Equal(t, []string{"k0 k1 k2 k3 k4 k5", "k1 k3", "k3"}, keysOf(t, s))
		require.Len(t, got, 6)
		for i, r := range got {
			require.Equal(t, fmt.Sprintf("k%d", i), r.Key)
			switch i {
			case 2:
				require.ErrorIs(t, r.Err, client.ErrInvalid)
			case 5:
				require.ErrorIs(t, r.Err, client.ErrForbidden)
			default:
				require.NoError(t, r.Err)
				require.Equal(t, "id-"+r.Key, r.ID)
			}
		}
	})
}

func TestBatchIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, results(&s, map[string][]int{"k1": {503}}))
		got, err := s.connect(t, func(cfg *client.Config) { cfg.BatchEvents = 2 }).PublishBatch(t.Context(), orders(5))
		require.NoError(t, err)
		require.Len(t, got, 5)
		require.Equal(t, []string{"k0 k1", "k1", "k2 k3", "k4"}, keysOf(t, s), "nothing overtakes what is sent again")
	})
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, results(&s, nil))
		events := orders(6)
		events[3].Data = strings.Repeat("x", 1000)
		_, err := s.connect(t, func(cfg *client.Config) { cfg.BatchBytes = 240 }).PublishBatch(t.Context(), events)
		require.NoError(t, err)
		require.Equal(t, []string{"k0 k1 k2", "k3", "k4 k5"}, keysOf(t, s))
		_, bodies, _ := s.seen()
		require.LessOrEqual(t, len(bodies[0]), 240)
		require.Greater(t, len(bodies[1]), 1000, "one that is too large for all goes alone")
	})
}

func TestBatchOfADefaultClientHas500EventsARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, results(&s, nil))
		got, err := s.connect(t, nil).PublishBatch(t.Context(), orders(1001))
		require.NoError(t, err)
		require.Len(t, got, 1001)
		_, bodies, _ := s.seen()
		require.Len(t, bodies, 3)
	})
}

func TestBatchStopsWhereSomethingCouldNotBeStored(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{"one": nil, "all": problem(503, "unavailable"), "for good": problem(401, "token_invalid")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *server
				if first == nil {
					first = results(&s, map[string][]int{"k1": {503, 503}})
				}
				s = serve(t, first)
				got, err := s.connect(t, func(cfg *client.Config) { cfg.BatchEvents, cfg.Attempts = 2, 2 }).PublishBatch(t.Context(), orders(5))
				require.Error(t, err)
				if name == "one" {
					require.NoError(t, got[0].Err)
					require.Equal(t, []string{"k0 k1", "k1"}, keysOf(t, s))
				}
				if name == "for good" {
					require.ErrorIs(t, got[0].Err, client.ErrUnauthorized)
					require.Equal(t, []string{"k0 k1"}, keysOf(t, s))
				} else {
					require.ErrorIs(t, got[1].Err, client.ErrUnavailable)
				}
				require.NotErrorIs(t, got[1].Err, client.ErrNotSent)
				for _, r := range got[2:] {
					require.ErrorIs(t, r.Err, client.ErrNotSent)
				}
			})
		})
	}
}

// limited refuses a whole request over so many bytes, as nodes and proxies do.
func limited(s **server, most int, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, bodies, _ := (*s).seen(); len(bodies[len(bodies)-1]) > most {
			problem(413, "body_too_large")(w, r)
			return
		}
		next(w, r)
	}
}

func TestBatchThatIsTooLargeIsSentInHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, limited(&s, 240, results(&s, nil)))
		events := orders(6)
		events[3].Data = strings.Repeat("x", 1000)
		got, err := s.connect(t, nil).PublishBatch(t.Context(), events)
		require.EqualError(t, err, "publish batch: 1 of 6 events: status 413 (body_too_large): because")
		require.Equal(t, []string{"k0 k1 k2 k3 k4 k5", "k0 k1 k2", "k3 k4 k5", "k3", "k4 k5"}, keysOf(t, s))
		for i, r := range got {
			if i == 3 {
				require.ErrorIs(t, r.Err, client.ErrTooLarge)
				require.NotErrorIs(t, r.Err, client.ErrNotSent)
				continue
			}
			require.Equal(t, client.Result{Key: fmt.Sprintf("k%d", i), ID: fmt.Sprintf("id-k%d", i)}, r)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, limited(&s, 160, results(&s, map[string][]int{"k1": {503}})))
		got, err := s.connect(t, func(cfg *client.Config) { cfg.Attempts = 1 }).PublishBatch(t.Context(), orders(4))
		require.ErrorIs(t, err, client.ErrUnavailable)
		require.Equal(t, []string{"k0 k1 k2 k3", "k0 k1"}, keysOf(t, s))
		require.NotErrorIs(t, got[1].Err, client.ErrNotSent)
		for _, r := range got[2:] {
			require.ErrorIs(t, r.Err, client.ErrNotSent, "the other half does not overtake")
		}
	})
}

// One that no request has room for: the server would refuse it as long as it is sent.
func TestBatchGoesOnBehindAnEventThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server
		s = serve(t, limited(&s, 240, results(&s, nil)))
		events := orders(5)
		events[2].Data = strings.Repeat("x", 1000)
		got, err := s.connect(t, func(cfg *client.Config) { cfg.BatchBytes = 240 }).PublishBatch(t.Context(), events)
		require.ErrorIs(t, err, client.ErrTooLarge)
		require.Equal(t, []string{"k0 k1", "k2", "k3 k4"}, keysOf(t, s))
		for i, r := range got {
			require.Equal(t, i == 2, r.Err != nil, r.Err)
		}
	})
}

func TestBatchAnsweredByNonsense(t *testing.T) {
	for _, body := range []string{"<html>", "{}", `{"results":[{"id":"a"}]}`, `{"results":[{"id":"a"},{}]}`, `{"results":[{"id":"a"},{"id":"b"},{"id":"c"}]}`} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, answer(200, nil, body))
			got, err := s.connect(t, nil).PublishBatch(t.Context(), orders(2))
			require.ErrorIs(t, err, client.ErrProtocol, body)
			require.ErrorIs(t, got[1].Err, client.ErrProtocol, body)
		})
	}
}

func TestEmptyBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, hang)
		got, err := s.connect(t, nil).PublishBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Zero(t, s.dials.Load())
	})
}
