package client_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

func order(n any) client.Publication {
	return client.Publication{Targets: []string{"user:alice"}, Type: "order.created", Data: n, Key: fmt.Sprintf("k%v", n)}
}

// stored says that an event was stored.
func stored(w http.ResponseWriter, r *http.Request) { answer(200, nil, `{"id":"x.1-0"}`)(w, r) }

func TestPublishSends(t *testing.T) {
	for name, c := range map[string]struct {
		p      client.Publication
		body   string
		answer string
		want   client.Result
	}{
		"one target": {
			client.Publication{Targets: []string{"user:alice"}, Type: "a.b", Data: map[string]any{"n": 1, "s": "<&>"}, Key: "k"},
			`{"target":"user:alice","type":"a.b","key":"k","data":{"n":1,"s":"<&>"}}`,
			`{"id":"x.1-0"}`,
			client.Result{Key: "k", ID: "x.1-0"},
		},
		"several": {
			client.Publication{Targets: []string{"all", "topic:\"q\""}, Type: "a.b", Key: "k", Meta: map[string]int{"m": 1}},
			`{"targets":["all","topic:\"q\""],"type":"a.b","key":"k","meta":{"m":1},"data":null}`,
			`{"ids":{"all":"x.1-0","topic:\"q\"":"x.1-0"}}`,
			client.Result{Key: "k", IDs: map[string]string{"all": "x.1-0", `topic:"q"`: "x.1-0"}},
		},
		"live only, as it was written": {
			client.Publication{Targets: []string{"all"}, Type: "a.b", Key: "k", LiveOnly: true, Data: json.RawMessage(` {"a":1.50, "é":"\u00e9<"} `)},
			`{"target":"all","type":"a.b","key":"k","live_only":true,"data":{"a":1.50, "é":"\u00e9<"}}`,
			`{"live":true}`,
			client.Result{Key: "k"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, answer(200, nil, c.answer))
				got, err := s.connect(t, func(cfg *client.Config) {
					cfg.URLs, cfg.Credential = []string{"http://node.test/push/"}, client.FixedCredential("secret")
				}).Publish(t.Context(), c.p)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				requests, bodies, _ := s.seen()
				require.Equal(t, []string{c.body}, bodies)
				require.Equal(t, "POST /push/events", requests[0].Method+" "+requests[0].URL.String())
				require.Equal(t, "Bearer secret", requests[0].Header.Get("Authorization"))
				require.Equal(t, "application/json", requests[0].Header.Get("Content-Type"))
			})
		})
	}
}

func TestRefusedBeforeItIsSent(t *testing.T) {
	good := order(1)
	for name, change := range map[string]func(*client.Publication){
		"no target":       func(p *client.Publication) { p.Targets = nil },
		"bad target":      func(p *client.Publication) { p.Targets = []string{"alice"} },
		"target no UTF-8": func(p *client.Publication) { p.Targets = []string{"user:\xff"} },
		"type":            func(p *client.Publication) { p.Type = "order" },
		"reserved":        func(p *client.Publication) { p.Type = "pushstream.live" },
		"key":             func(p *client.Publication) { p.Key = "\xff" },
		"data":            func(p *client.Publication) { p.Data = math.NaN() },
		"raw data":        func(p *client.Publication) { p.Data = json.RawMessage(`{"a":`) },
		"raw no UTF-8":    func(p *client.Publication) { p.Data = json.RawMessage("\"\xff\"") },
		"meta":            func(p *client.Publication) { p.Meta = json.RawMessage(`{`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, answer(200, nil, `{"results":[{"id":"a"}]}`))
				c := s.connect(t, nil)
				bad := good
				change(&bad)
				_, err := c.Publish(t.Context(), bad)
				require.ErrorIs(t, err, client.ErrInvalid)
				require.ErrorIs(t, err, event.ErrInvalid)
				requests, _, _ := s.seen()
				require.Empty(t, requests)

				results, err := c.PublishBatch(t.Context(), []client.Publication{bad, good})
				require.ErrorIs(t, err, client.ErrInvalid)
				require.ErrorIs(t, results[0].Err, client.ErrInvalid)
				require.Equal(t, client.Result{Key: "k1", ID: "a"}, results[1])
			})
		})
	}
}

func TestAKeyIsAlwaysSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, problem(503, "unavailable"), stored)
		c := s.connect(t, nil)
		p := order(1)
		p.Key = ""
		first, err := c.Publish(t.Context(), p)
		require.NoError(t, err)
		second, err := c.Publish(t.Context(), p)
		require.NoError(t, err)
		require.NotEqual(t, first.Key, second.Key)
		_, bodies, _ := s.seen()
		require.Len(t, bodies, 3)
		require.Equal(t, bodies[0], bodies[1], "the same key when it is tried again")
		require.GreaterOrEqual(t, len(first.Key), 20)
		require.Contains(t, bodies[0], `"key":"`+first.Key+`"`)
		require.Contains(t, bodies[2], `"key":"`+second.Key+`"`)
	})
}

func TestPublishTriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		first http.HandlerFunc
		least time.Duration
		most  time.Duration
	}{
		"429":             {problem(429, "publish_rate", "7"), 7 * time.Second, 7500 * time.Millisecond},
		"503":             {problem(503, "unavailable", "2"), 2 * time.Second, 2500 * time.Millisecond},
		"503 with a date": {problem(503, "unavailable", "Sat, 01 Jan 2000 00:00:03 GMT"), 3 * time.Second, 3500 * time.Millisecond}, // the bubble's clock
		"503 for a year":  {problem(503, "unavailable", "31536000"), 10 * time.Minute, 10*time.Minute + 500*time.Millisecond},
		"500":             {problem(500, "internal"), 0, 500 * time.Millisecond},
		"502":             {answer(502, nil, "<html>"), 0, 500 * time.Millisecond},
		"504":             {answer(504, nil, ""), 0, 500 * time.Millisecond},
		"cut":             {cut("{"), 0, 500 * time.Millisecond},
		"cut answer":      {answer(200, http.Header{"Content-Length": {"100"}}, `{"id":`), 0, 500 * time.Millisecond},
		"no answer":       {hang, 15 * time.Second, 15500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.first, stored)
				got, err := s.connect(t, nil).Publish(t.Context(), order(1))
				require.NoError(t, err)
				require.Equal(t, "x.1-0", got.ID)
				_, bodies, times := s.seen()
				require.Len(t, bodies, 2)
				require.Equal(t, bodies[0], bodies[1])
				require.GreaterOrEqual(t, times[1], c.least)
				require.LessOrEqual(t, times[1], c.most)
			})
		})
	}
}

func TestPublishGivesUp(t *testing.T) {
	all := []error{
		client.ErrInvalid, client.ErrTooLarge, client.ErrUnauthorized, client.ErrForbidden, client.ErrRateLimited, client.ErrUnavailable,
		client.ErrRevoked, client.ErrEnded, client.ErrProtocol, client.ErrNotSent,
	}
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		want     []error
		attempts int
	}{
		"400":           {problem(400, "invalid_json"), []error{client.ErrInvalid}, 1},
		"401":           {problem(401, "token_invalid"), []error{client.ErrUnauthorized}, 1},
		"401 expired":   {problem(401, "token_expired"), []error{client.ErrUnauthorized}, 2},
		"401 refused":   {problem(401, "token_refused"), []error{client.ErrUnauthorized, client.ErrRevoked}, 1},
		"403":           {problem(403, "forbidden"), []error{client.ErrForbidden}, 1},
		"404":           {answer(404, nil, "not here"), []error{client.ErrInvalid}, 1},
		"408":           {problem(408, "body_timeout"), []error{client.ErrUnavailable}, 1},
		"413":           {problem(413, "event_too_large"), []error{client.ErrTooLarge}, 1},
		"415":           {problem(415, "content_type"), []error{client.ErrInvalid}, 1},
		"422":           {problem(422, "invalid"), []error{client.ErrInvalid}, 1},
		"429":           {problem(429, "publish_rate", "1"), []error{client.ErrRateLimited}, 3},
		"501":           {answer(501, nil, ""), []error{client.ErrUnavailable}, 1},
		"503":           {problem(503, "unavailable", "1"), []error{client.ErrUnavailable}, 3},
		"no connection": {cut(), []error{client.ErrUnavailable}, 3},
		"no JSON":       {answer(200, nil, "<html>"), []error{client.ErrProtocol}, 1},
		"no id":         {answer(200, nil, "{}"), []error{client.ErrProtocol}, 1},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{"id":"x.1-0"}`)
			_ = z.Close()
		}, []error{client.ErrProtocol}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, c.handler)
				_, err := s.connect(t, func(cfg *client.Config) { cfg.Attempts = 3 }).Publish(t.Context(), order(1))
				for _, sentinel := range all {
					is := false
					for _, w := range c.want {
						is = is || errors.Is(sentinel, w)
					}
					require.Equal(t, is, errors.Is(err, sentinel), "%v is %v", err, sentinel)
				}
				requests, _, _ := s.seen()
				require.Len(t, requests, c.attempts)
			})
		})
	}
}

func TestRefusalSaysWhatTheServerSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, problem(403, "forbidden", "3"), answer(404, nil, "a\x1b[31mpage"+strings.Repeat("x", 1<<20)))
		c := s.connect(t, nil)
		_, err := c.Publish(t.Context(), order(1))
		var refused *client.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 403, refused.Status)
		require.Equal(t, "forbidden", refused.Code)
		require.Equal(t, "because", refused.Detail)
		require.Equal(t, 3*time.Second, refused.RetryAfter)
		require.EqualError(t, err, "publish: status 403 (forbidden): because")

		_, err = c.Publish(t.Context(), order(1))
		require.Contains(t, err.Error(), `publish: status 404: "a\x1b[31mpage`)
		require.Less(t, len(err.Error()), 300, "not the whole page, and nothing for a terminal")
	})
}

func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, 1<<20); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		_, err := s.connect(t, nil).Publish(t.Context(), order(1))
		require.ErrorIs(t, err, client.ErrProtocol)
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://sub.node.test:81/events", status)
			})
			c := s.connect(t, func(cfg *client.Config) { cfg.Credential = client.FixedCredential("secret") })
			_, err := c.Publish(t.Context(), order(1))
			require.ErrorIs(t, err, client.ErrProtocol)

			stream, err := c.Subscribe(t.Context(), client.Subscription{})
			require.NoError(t, err)
			require.ErrorIs(t, finalError(t, stream), client.ErrProtocol)
			requests, _, _ := s.seen()
			require.Len(t, requests, 2)
			require.Equal(t, "node.test", requests[1].Host)
		})
	}
}

func TestANewCredentialAfterTheOldOneExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, problem(401, "token_expired"), stored)
		asked := 0
		c := s.connect(t, func(cfg *client.Config) {
			cfg.Attempts = 1
			cfg.Credential = func(context.Context) (string, error) {
				asked++
				return fmt.Sprintf("token-%d", asked), nil
			}
		})
		_, err := c.Publish(t.Context(), order(1))
		require.NoError(t, err)
		requests, _, times := s.seen()
		require.Equal(t, "Bearer token-2", requests[1].Header.Get("Authorization"))
		require.Equal(t, times[0], times[1], "at once")
	})
}

func TestANewCredentialAfterTheOldOneWasRefused(t *testing.T) {
	for code, attempts := range map[string]int{"token_invalid": 2, "token_missing": 2, "": 2, "token_refused": 1} {
		t.Run("code "+code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, problem(401, code))
				asked := 0
				c := s.connect(t, func(cfg *client.Config) {
					cfg.Credential = func(context.Context) (string, error) {
						asked++
						return fmt.Sprintf("token-%d", asked), nil
					}
				})
				_, err := c.Publish(t.Context(), order(1))
				require.ErrorIs(t, err, client.ErrUnauthorized)
				require.Equal(t, attempts, asked)
				err = finalError(t, subscribe(t, c, client.Subscription{}))
				require.ErrorIs(t, err, client.ErrUnauthorized)
				require.Equal(t, 2*attempts, asked)
				requests, _, times := s.seen()
				require.Len(t, requests, 2*attempts)
				require.Zero(t, times[len(times)-1], "at once")
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, problem(401, "token_invalid"), open(hello, block("x.2-0", "1")))
		token := "old"
		c := s.connect(t, func(cfg *client.Config) {
			cfg.Credential = func(context.Context) (string, error) {
				defer func() { token = "new" }()
				return token, nil
			}
		})
		require.Len(t, hear(subscribe(t, c, client.Subscription{}), 1).ids, 1)
		requests, _, _ := s.seen()
		require.Equal(t, "Bearer new", requests[1].Header.Get("Authorization"))
	})
}

func TestCredentialThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, stored)
		asked := 0
		var wrong error
		token := "good"
		c := s.connect(t, func(cfg *client.Config) {
			cfg.Credential = func(context.Context) (string, error) {
				asked++
				if asked == 1 {
					return "", wrong
				}
				return token, nil
			}
		})
		wrong = errors.New("no answer from the issuer")
		_, err := c.Publish(t.Context(), order(1))
		require.NoError(t, err)
		require.Equal(t, 2, asked)

		asked, wrong = 0, fmt.Errorf("logged out: %w", client.ErrUnauthorized)
		_, err = c.Publish(t.Context(), order(1))
		require.ErrorIs(t, err, client.ErrUnauthorized)
		require.Equal(t, 1, asked)

		token = "bad\r\nX-Other: header"
		_, err = c.Publish(t.Context(), order(1))
		require.ErrorIs(t, err, client.ErrUnauthorized)
		require.NotContains(t, err.Error(), "X-Other")
	})
}

func TestContextEndsAPublish(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{"no answer": hang, "waiting": problem(503, "unavailable", "60")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, handler)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				result, err := s.connect(t, nil).Publish(ctx, order(1))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 10*time.Second, time.Since(began))
				require.Equal(t, "k1", result.Key, "what it may be published with again")
				if name == "waiting" {
					require.ErrorIs(t, err, client.ErrUnavailable)
				}
			})
		})
	}
}

func TestTheNextURLAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "one.test" {
				problem(503, "draining")(w, r)
				return
			}
			stored(w, r)
		})
		c := s.connect(t, func(cfg *client.Config) { cfg.URLs = []string{"http://one.test", "http://two.test"} })
		for range 2 {
			_, err := c.Publish(t.Context(), order(1))
			require.NoError(t, err)
		}
		requests, _, _ := s.seen()
		var hosts []string
		for _, r := range requests {
			hosts = append(hosts, r.Host)
		}
		require.Equal(t, []string{"one.test", "two.test", "two.test"}, hosts, "and it stays there")
	})
}
