package auth_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestRefusals(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 500e6, time.UTC)
	acme, err := event.ParseTenant("acme")
	require.NoError(t, err)
	who := func(tenant event.Tenant, user, session, token string, issued time.Time) auth.Principal {
		p := principal(t, user, session)
		p.Tenant, p.TokenID, p.Issued = tenant, token, issued
		return p
	}
	d := event.DefaultTenant()
	alice := auth.Refusal{Tenant: d, Target: target(t, "user:alice"), Before: at}
	session := auth.Refusal{Tenant: d, Target: target(t, "session:s"), Before: at}
	token := auth.Refusal{Tenant: d, TokenID: "t"}
	for name, c := range map[string]struct {
		rule auth.Refusal
		p    auth.Principal
		want bool
	}{
		"before":              {alice, who(d, "alice", "", "", at.Add(-time.Hour)), true},
		"same second, before": {alice, who(d, "alice", "", "", at.Truncate(time.Second)), true},
		"same second, after":  {alice, who(d, "alice", "", "", at.Add(400*time.Millisecond)), true},
		"next second":         {alice, who(d, "alice", "", "", at.Add(500*time.Millisecond)), false},
		"no iat":              {alice, who(d, "alice", "", "", time.Time{}), true},
		"with a session":      {alice, who(d, "alice", "s", "t", at), true},
		"other user":          {alice, who(d, "alic", "", "", at), false},
		"other letters":       {alice, who(d, "Alice", "", "", at), false},
		"session so called":   {alice, who(d, "", "alice", "alice", at), false},
		"other tenant":        {alice, who(acme, "alice", "", "", at), false},
		"nobody":              {alice, who(d, "", "", "", at), false},
		"session":             {session, who(d, "alice", "s", "", at), true},
		"session, later":      {session, who(d, "alice", "s", "", at.Add(time.Second)), false},
		"other session":       {session, who(d, "s", "s2", "s", at), false},
		"token":               {token, who(d, "alice", "s", "t", at), true},
		"token, later":        {token, who(d, "alice", "s", "t", at.Add(time.Hour)), true},
		"other token":         {token, who(d, "t", "t", "t2", at), false},
		"token, other tenant": {token, who(acme, "", "", "t", at), false},
		"no token":            {token, who(d, "", "", "", time.Time{}), false},
		"token, by age":       {auth.Refusal{Tenant: d, TokenID: "t", Before: at}, who(d, "", "", "t", at.Add(time.Hour)), false},
		"user of all times":   {auth.Refusal{Tenant: d, Target: target(t, "user:alice")}, who(d, "alice", "", "", at.Add(time.Hour)), true},
		"nothing":             {auth.Refusal{Tenant: d}, who(d, "", "", "", at), false},
		"all":                 {auth.Refusal{Tenant: d, Target: event.All()}, who(d, "alice", "s", "t", at), false},
		"topic":               {auth.Refusal{Tenant: d, Target: target(t, "topic:alice"), TokenID: "t"}, who(d, "alice", "s", "t", at), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := auth.NewRefusals()
			require.False(t, s.Refused(c.p))
			c.rule.Until = time.Now().Add(time.Hour)
			s.Add(c.rule)
			require.Equal(t, c.want, s.Refused(c.p))
		})
	}
	var none *auth.Refusals
	require.False(t, none.Refused(principal(t, "alice", "")))
}

// A refusal says itself whom it concerns, for streams that go on.
func TestConcerns(t *testing.T) {
	at := time.Now()
	user := auth.Refusal{Target: target(t, "user:a"), Before: at}
	require.True(t, user.Concerns("any", at))
	require.True(t, user.Concerns("", time.Time{}))
	require.False(t, user.Concerns("", at.Add(time.Second)))
	token := auth.Refusal{TokenID: "t"}
	require.True(t, token.Concerns("t", at))
	require.False(t, token.Concerns("u", at))
	require.False(t, auth.Refusal{}.Concerns("", time.Time{}))
	require.False(t, auth.Refusal{Target: event.All(), TokenID: "t"}.Concerns("t", at))
}

func TestRefusalsEndAndExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := auth.NewRefusals()
		start := time.Now()
		pass := func(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the bubble's clock
		p := principal(t, "alice", "")
		p.Issued = start
		rule := func(before, until time.Duration) auth.Refusal {
			return auth.Refusal{Tenant: p.Tenant, Target: p.User, Before: start.Add(before), Until: start.Add(until)}
		}
		s.Add(rule(0, time.Minute))
		s.Add(rule(-time.Hour, time.Hour))
		pass(time.Hour - 1)
		require.True(t, s.Refused(p), "the later time counts, and the later date")
		pass(1)
		require.False(t, s.Refused(p))

		s.Add(rule(0, 2*time.Hour))
		s.Add(rule(time.Minute, 90*time.Minute))
		p.Issued = start.Add(time.Minute)
		require.True(t, s.Refused(p))
		pass(time.Hour - 1)
		require.True(t, s.Refused(p))
		pass(1)
		s.Add(rule(0, time.Hour)) // is over already, and brings nothing back
		require.False(t, s.Refused(p))
		s.Add(rule(-time.Hour, 3*time.Hour))
		require.False(t, s.Refused(p), "what has expired does not extend")

		q := principal(t, "bob", "") // of a rule that is over, and has not been swept away yet
		q.Issued = start
		now := time.Since(start)
		s.Add(auth.Refusal{Tenant: q.Tenant, Target: q.User, Before: start, Until: start.Add(now + 10*time.Second)})
		pass(10 * time.Second)
		s.Add(auth.Refusal{Tenant: q.Tenant, Target: q.User, Before: start.Add(-time.Hour), Until: start.Add(3 * time.Hour)})
		require.False(t, s.Refused(q))

		s.Add(auth.Refusal{Tenant: p.Tenant, Target: p.User, Until: start.Add(4 * time.Hour)})
		s.Add(rule(-time.Hour, 5*time.Hour))
		require.True(t, s.Refused(p), "none is spared, and none stays so")
	})
}

func TestRefusalsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := auth.NewRefusals()
		for n := range 1000 {
			s.Add(auth.Refusal{Tenant: event.DefaultTenant(), TokenID: strconv.Itoa(n), Until: time.Now().Add(time.Duration(n+1) * time.Second)})
		}
		require.Equal(t, 1000, s.Len())
		s.Add(auth.Refusal{Tenant: event.DefaultTenant(), TokenID: "past", Until: time.Now()})
		require.Equal(t, 1000, s.Len())
		time.Sleep(500 * time.Second) //nolint:forbidigo // the bubble's clock
		s.Add(auth.Refusal{Tenant: event.DefaultTenant(), TokenID: "one more", Until: time.Now().Add(time.Hour)})
		require.Equal(t, 501, s.Len())
	})
}

// Whatever way a credential comes, it is refused.
func TestRefusedEverywhere(t *testing.T) {
	cfg := simple()
	cfg.Cookie = "session"
	w := newWorld(t, cfg)
	token := w.token(t, nil)
	p, err := w.Verify(t.Context(), token)
	require.NoError(t, err)
	for name, rule := range map[string]auth.Refusal{
		"user":    {Target: p.User, Before: w.clock.now()},
		"session": {Target: p.Session, Before: w.clock.now()},
		"token":   {TokenID: p.TokenID},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, cfg)
			id, _, err := w.Ticket(t.Context(), p)
			require.NoError(t, err)
			rule.Tenant, rule.Until = p.Tenant, p.Expires
			w.Refuse(rule)
			require.True(t, w.Refused(p))
			require.True(t, w.Refusals().Refused(p))
			for way, ask := range map[string]func() (auth.Principal, error){
				"reader":        func() (auth.Principal, error) { return w.Reader(get(t, "/events", bearer(token)...)) },
				"publisher":     func() (auth.Principal, error) { return w.Publisher(get(t, "/events", bearer(token)...)) },
				"ticket holder": func() (auth.Principal, error) { return w.TicketHolder(get(t, "/events", bearer(token)...)) },
				"cookie": func() (auth.Principal, error) {
					return w.Reader(get(t, "/events", "Cookie", "session="+token, "Sec-Fetch-Site", "same-origin"))
				},
				"ticket, HEAD": func() (auth.Principal, error) { return w.Reader(requestOf(t, http.MethodHead, "/events?ticket="+id)) },
			} {
				_, err = ask()
				require.ErrorIs(t, err, auth.ErrRefused, way)
				requireOnly(t, auth.ErrRefused, err)
			}
			_, err = w.Reader(get(t, "/events?ticket="+id))
			requireOnly(t, auth.ErrRefused, err)
			_, err = w.Verify(t.Context(), token)
			require.NoError(t, err, "what is refused can be refused again")
			_, err = w.Publisher(get(t, "/events", bearer(keyText)...))
			require.NoError(t, err)

			if name != "token" {
				w.clock.pass(time.Second)
				_, err = w.Reader(get(t, "/events", bearer(w.token(t, nil))...))
				require.NoError(t, err, "who logs in again comes in")
				w.clock.pass(-time.Second)
			}
			w.clock.pass(p.Expires.Sub(w.clock.now()))
			require.False(t, w.Refused(p))
			_, err = w.Reader(get(t, "/events", bearer(token)...))
			requireOnly(t, auth.ErrExpired, err)
		})
	}
}
