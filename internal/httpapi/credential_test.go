package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

const (
	signing  = "0123456789abcdef0123456789abcdef"
	shopKey  = "shop-key-0123456789abcdef0123456789"
	acmeKey  = "acme-key-0123456789abcdef0123456789"
	pageSite = "https://app.example"
)

// withTokens configures authentication.
func withTokens(s *settings) {
	c := auth.DefaultConfig()
	c.Secret, c.Cookie, c.Origins, c.ClockSkew = signing, "pushstream", []string{pageSite}, 0
	c.Keys = []auth.Key{
		{Name: "shop", Key: shopKey, Publish: []string{"user:*", "topic:news"}},
		{Name: "acme", Key: acmeKey, Tenant: "acme"},
	}
	s.tokens = &c
}

func mint(t *testing.T, c auth.MintClaims) string {
	t.Helper()
	if c.Age == 0 {
		c.Age = time.Hour
	}
	token, err := auth.Mint(signing, c)
	require.NoError(t, err)
	return token
}

func alice(t *testing.T) string {
	t.Helper()
	return mint(t, auth.MintClaims{User: "alice", Session: "s1", Subscribe: []string{"topic:news", "topic:orders.*"}})
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func (n *node) ticket(t *testing.T, header ...string) string {
	t.Helper()
	a := n.do(t, call{method: http.MethodPost, path: "/tickets", header: header})
	require.Equal(t, http.StatusCreated, a.status, a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var given struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &given))
	require.Positive(t, given.ExpiresIn)
	require.LessOrEqual(t, given.ExpiresIn, 30)
	return given.Ticket
}

// Whoever is authenticated, however, reads its own targets and granted topics, and nobody reads what parameters name.
func TestCredentialsSayWhoReads(t *testing.T) {
	n := newNode(t, withTokens)
	key := bearer(shopKey)
	ways := map[string]func() *reader{
		"header": func() *reader { r, _ := n.live(t, "topic=news&user=bob", bearer(alice(t))); return r },
		"ticket": func() *reader {
			r, _ := n.live(t, "topic=news&user=bob&ticket="+n.ticket(t, bearer(alice(t))))
			return r
		},
		"cookie": func() *reader {
			r, _ := n.live(t, "topic=news&user=bob", "Cookie: pushstream="+alice(t), "Origin: "+pageSite)
			return r
		},
		"cookie of the same origin": func() *reader {
			r, _ := n.live(t, "topic=news&user=bob", "Cookie: pushstream="+alice(t), "Sec-Fetch-Site: same-origin")
			return r
		},
		"ticket by cookie": func() *reader {
			r, _ := n.live(t, "topic=news&user=bob&ticket="+n.ticket(t, "Cookie: pushstream="+alice(t), "Origin: "+pageSite))
			return r
		},
	}
	for name, open := range ways {
		t.Run(name, func(t *testing.T) {
			r := open()
			n.published(t, `{"target":"user:bob","type":"a.b","data":0}`, key)
			mine := n.published(t, `{"target":"user:alice","type":"a.b","data":1}`, key)
			news := n.published(t, `{"target":"topic:news","type":"a.b","data":2}`, key)
			require.Equal(t, mine, r.next(t).ID)
			require.Equal(t, news, r.next(t).ID)
			n.published(t, `{"target":"user:alice","type":"a.b","data":3}`, bearer(acmeKey)) // another tenant's alice
			last := n.published(t, `{"target":"user:alice","type":"a.b","data":4}`, key)
			require.Equal(t, last, r.next(t).ID)
		})
	}
}

func TestStreamsThatACredentialDoesNotGrant(t *testing.T) {
	n := newNode(t, withTokens)
	good := alice(t)
	for name, c := range map[string]struct {
		query  string
		header []string
		code   string
	}{
		"nothing":              {"user=alice", nil, "token_missing"},
		"no token":             {"", []string{"Authorization: Basic eDp5"}, "token_missing"},
		"garbage":              {"", []string{bearer("garbage")}, "token_invalid"},
		"signature":            {"", []string{bearer(good[:len(good)-4] + "AAAA")}, "token_invalid"},
		"too long":             {"", []string{bearer(strings.Repeat("x", 9<<10))}, "token_invalid"},
		"publisher's key":      {"", []string{bearer(shopKey)}, "forbidden"},
		"other topic":          {"topic=wages", []string{bearer(good)}, "forbidden"},
		"one topic of many":    {"topic=news&topic=orders.x&topic=order", []string{bearer(good)}, "forbidden"},
		"unknown ticket":       {"ticket=AAAAAAAAAAAAAAAAAAAAAAAAAA", nil, "ticket_invalid"},
		"no ticket":            {"ticket=" + good, nil, "ticket_invalid"},
		"token in the query":   {"token=" + good + "&access_token=" + good, nil, "token_missing"},
		"cookie of a stranger": {"", []string{"Cookie: pushstream=" + good, "Origin: https://evil.example"}, "origin"},
		"cookie of nobody":     {"", []string{"Cookie: pushstream=" + good}, "origin"},
		"two headers":          {"", []string{bearer(good), bearer(good)}, "token_invalid"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := n.do(t, call{method: method, path: "/events?" + c.query, header: append(c.header, wantStream)})
			if method == http.MethodGet {
				require.Equal(t, c.code, a.problem(t).Code, name)
			}
			want := http.StatusUnauthorized
			if c.code == "forbidden" || c.code == "origin" {
				want = http.StatusForbidden
			}
			require.Equal(t, want, a.status, "%s %s: a native EventSource must not come back for ever", method, name)
			require.Equal(t, want == http.StatusUnauthorized, strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer"), name)
			require.NotContains(t, a.body, good[20:40], "%s: the answer shows a token", name)
		}
	}
}

func TestATicketIsGoodOnce(t *testing.T) {
	n := newNode(t, withTokens)
	ticket := n.ticket(t, bearer(alice(t)))
	for range 3 {
		require.Equal(t, http.StatusOK, n.do(t, call{method: http.MethodHead, path: "/events?topic=news&ticket=" + ticket}).status, "HEAD uses nothing up")
	}
	n.live(t, "topic=news&ticket="+ticket)
	a := n.do(t, call{method: http.MethodGet, path: "/events?ticket=" + ticket})
	require.Equal(t, "ticket_invalid", a.problem(t).Code)
	for _, header := range []string{bearer(shopKey), "Cookie: pushstream=" + alice(t), "X: y"} {
		require.GreaterOrEqual(t, n.do(t, call{method: http.MethodPost, path: "/tickets", header: []string{header}}).status, 401, header)
	}
}

// A reader that is turned away for now has its ticket still: it is told to come back, and may.
func TestATicketIsNotUsedUpByWhatMayPass(t *testing.T) {
	n := newNode(t, withTokens, func(s *settings) { s.api.Connections = 1 })
	ticket := n.ticket(t, bearer(alice(t)))
	other, _ := n.live(t, "", bearer(alice(t)))
	for range 3 {
		full := n.open(t, "ticket="+ticket)
		full.until(t, "pushstream.bye")
		full.response.Body.Close()
	}
	other.response.Body.Close()
	require.Eventually(t, func() bool {
		a, err := n.client.Do(n.request(t, call{method: http.MethodHead, path: "/events?ticket=" + ticket}))
		if err != nil {
			return false
		}
		a.Body.Close()
		return a.StatusCode == http.StatusOK
	}, patience, 10*time.Millisecond)
	n.live(t, "ticket="+ticket)
}

func TestPublishersMayPublishWhatTheirCredentialGrants(t *testing.T) {
	n := newNode(t, withTokens)
	token := mint(t, auth.MintClaims{User: "robot", Publish: []string{"topic:orders.*"}})
	to := func(target string) string { return `{"target":"` + target + `","type":"a.b","data":1}` }
	for _, c := range []struct{ header, target, code string }{
		{bearer(shopKey), "user:alice", ""},
		{bearer(shopKey), "topic:news", ""},
		{bearer(shopKey), "topic:newsletter", "forbidden"},
		{bearer(shopKey), "all", "forbidden"},
		{bearer(shopKey), "session:s1", "forbidden"},
		{bearer(acmeKey), "all", ""},
		{bearer(token), "topic:orders.eu", ""},
		{bearer(token), "topic:orders", "forbidden"},
		{bearer(token), "user:robot", "forbidden"},
		{bearer(alice(t)), "topic:news", "forbidden"},
		{bearer("shop"), "topic:news", "token_invalid"},
		{"Cookie: pushstream=" + token, "topic:orders.eu", "token_missing"},
		{"X: y", "topic:news", "token_missing"},
	} {
		a := n.publish(t, to(c.target), c.header, "Origin: "+pageSite)
		if c.code == "" {
			require.Equal(t, http.StatusOK, a.status, "%s: %s", c.target, a.body)
		} else {
			require.Equal(t, c.code, a.problem(t).Code, "%s %s", c.header, c.target)
		}
	}
	a := n.publish(t, "["+to("user:a")+","+to("all")+","+to("topic:news")+"]", bearer(shopKey))
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, 2, strings.Count(a.body, `"id"`), "one that is not granted does not lose the others: %s", a.body)
	require.Equal(t, 1, strings.Count(a.body, `"forbidden"`))
	a = n.publish(t, `{"targets":["user:a","all"],"type":"a.b","data":1}`, bearer(shopKey))
	require.Equal(t, "forbidden", a.problem(t).Code, "all targets of an event have to be granted")
}

func TestTheStreamEndsWithTheToken(t *testing.T) {
	n := newNode(t, withTokens)
	token := mint(t, auth.MintClaims{User: "alice", Age: 3 * time.Second})
	ticket := n.ticket(t, bearer(token))
	for _, r := range []*reader{n.open(t, "", bearer(token)), n.open(t, "ticket="+ticket)} {
		bye := r.until(t, "pushstream.bye")
		last := bye[len(bye)-1]
		require.Contains(t, last.Data, `"reason":"expired","reconnect_ms":`)
		r.ended(t)
	}
	a := n.do(t, call{method: http.MethodGet, path: "/events", header: []string{bearer(token)}})
	require.Equal(t, "token_expired", a.problem(t).Code)
}

func TestARefusedTokenDoesNothingMore(t *testing.T) {
	n := newNode(t, withTokens)
	token := mint(t, auth.MintClaims{User: "alice", Subscribe: []string{"topic:news"}, Publish: []string{"*"}})
	ticket := n.ticket(t, bearer(token))
	p, err := n.auth.Verify(t.Context(), token)
	require.NoError(t, err)
	n.auth.Refuse(auth.Refusal{Tenant: p.Tenant, Target: p.User, Before: time.Now(), Until: time.Now().Add(time.Hour)})
	for _, c := range []call{
		{method: http.MethodGet, path: "/events", header: []string{bearer(token)}},
		{method: http.MethodGet, path: "/events?ticket=" + ticket},
		{method: http.MethodPost, path: "/tickets", header: []string{bearer(token)}},
		{method: http.MethodPost, path: "/events", header: []string{bearer(token), jsonType}, body: goodEvent},
	} {
		a := n.do(t, c)
		require.Equal(t, http.StatusUnauthorized, a.status, c.path)
		require.Equal(t, "token_refused", a.problem(t).Code, c.path)
	}
	n.live(t, "", bearer(mint(t, auth.MintClaims{User: "bob"})))
}

// between is an authenticator on which a refusal comes after a reader was authenticated.
type between struct {
	*auth.Tokens

	refuse bool
}

func (b between) Refused(auth.Principal) bool { return b.refuse }

// Whoever looks for the streams of a refused token just before one is opened does not find that one.
func TestARefusalBetweenAuthenticationAndStream(t *testing.T) {
	n := newNode(t, withTokens)
	n.serveAs(t, between{n.auth, true})
	r := n.open(t, "", bearer(alice(t)))
	bye := r.until(t, "pushstream.bye")
	require.JSONEq(t, `{"reason":"revoked"}`, bye[len(bye)-1].Data)
	r.ended(t)
	require.Eventually(t, func() bool { return n.broker.Connections() == 0 }, patience, time.Millisecond)
	n.serveAs(t, between{n.auth, false})
	n.live(t, "", bearer(alice(t)))
}

// A stream knows its credential, by which administrators find it.
func TestStreamsKnowTheirCredential(t *testing.T) {
	n := newNode(t, withTokens)
	token := alice(t)
	n.live(t, "topic=news", bearer(token))
	p, err := n.auth.Verify(t.Context(), token)
	require.NoError(t, err)
	infos := make(chan []store.Info, 1)
	n.broker.List(event.LogName{Tenant: p.Tenant, Target: p.User}, 10, func(found []store.Info, _ int) { infos <- found })
	found := <-infos
	require.Len(t, found, 1)
	require.Equal(t, store.Credential{Token: p.TokenID, Issued: p.Issued, Expires: p.Expires}, found[0].Credential)
	require.Equal(t, "127.0.0.1", found[0].Address)
	require.NotEmpty(t, found[0].ID)
}

func TestScriptsMaySendCookiesWhereTheyCount(t *testing.T) {
	n := newNode(t, withTokens)
	for origin, allowed := range map[string]bool{pageSite: true, "https://evil.example": false, "http://localhost": false} {
		a := n.do(t, call{method: http.MethodOptions, path: "/events", header: []string{
			"Origin: " + origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: last-event-id,authorization",
		}})
		require.Equal(t, allowed, a.header.Get("Access-Control-Allow-Origin") == origin, origin)
		require.Equal(t, allowed, a.header.Get("Access-Control-Allow-Credentials") == "true", origin)
		require.Contains(t, a.header.Values("Vary"), "Origin")
	}
	a := newNode(t).do(t, call{method: http.MethodOptions, path: "/events", header: []string{"Origin: http://localhost:3000", "Access-Control-Request-Method: GET"}})
	require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"), "development mode knows no cookies")
}

// The user's own limit is known only with the ticket, and whoever has no room is told to come back with it.
func TestATicketIsNotUsedUpByTheLimitOfItsUser(t *testing.T) {
	n := newNode(t, withTokens, func(s *settings) { s.api.ConnectionsPerUser = 1 })
	ticket := n.ticket(t, bearer(alice(t)))
	first, _ := n.live(t, "", bearer(alice(t)))
	full := n.open(t, "ticket="+ticket)
	full.until(t, "pushstream.bye")
	full.close()
	first.close()
	require.Eventually(t, func() bool {
		return n.do(t, call{method: http.MethodHead, path: "/events?ticket=" + ticket}).status == http.StatusOK
	}, patience, time.Millisecond)
	n.live(t, "ticket="+ticket)
	n.do(t, call{method: http.MethodHead, path: "/events?ticket=" + ticket}).mustBe(t, http.StatusUnauthorized)
}

func TestTicketsOfAReaderAreLimited(t *testing.T) {
	n := newNode(t, withTokens, func(s *settings) { s.api.TicketsPerReader = 3 })
	ask := func(token string) answer {
		return n.do(t, call{method: http.MethodPost, path: "/tickets", header: []string{bearer(token)}})
	}
	for range 3 {
		ask(alice(t)).mustBe(t, http.StatusCreated)
	}
	a := ask(mint(t, auth.MintClaims{User: "alice", Session: "another"}))
	a.refused(t, http.StatusTooManyRequests, "too_many_tickets")
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err)
	require.LessOrEqual(t, seconds, 30)
	require.InEpsilon(t, 1, n.count(t, "pushstream_tickets_refused_total", "too_many_tickets"), 0.01)
	for _, other := range []auth.MintClaims{{User: "bob"}, {Session: "alice"}, {}} {
		ask(mint(t, other)).mustBe(t, http.StatusCreated)
	}
}

// A node that has not been connected does not know yet whose tokens were refused while it was away.
func TestAStartingNodeTakesEventsOfKeysOnly(t *testing.T) {
	n := newNode(t, withTokens, func(s *settings) { s.idle = true })
	require.ErrorIs(t, n.broker.Ready(), broker.ErrStarting)
	token := mint(t, auth.MintClaims{User: "alice", Publish: []string{"*"}})
	n.publish(t, goodEvent, bearer(token)).refused(t, http.StatusServiceUnavailable, "starting")
	n.published(t, goodEvent, bearer(shopKey))
}
