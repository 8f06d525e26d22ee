package auth_test

import (
	"crypto/rand"
	encoding "encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
)

// No token that is made up counts, whatever it is: the keys of each run are new.
func FuzzToken(f *testing.F) {
	_, rsaPublic := pair(f, jose.RS256)
	_, es := pair(f, jose.ES256)
	_, ed := pair(f, jose.EdDSA)
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.Cookie = rand.Text()+rand.Text(), "session"
	cfg.Keys = []auth.Key{{Name: "k", SHA256: digestHex(rand.Text())}}
	for name, public := range map[string]any{"RS256": rsaPublic, "ES256": es, "EdDSA": ed} {
		cfg.Issuers = append(cfg.Issuers, auth.Issuer{Issuer: name, Audiences: []string{"pushstream"}, Algorithms: []string{name}, PublicKey: pemOf(f, public)})
	}
	node, err := auth.New(cfg, newStore(f), slog.New(slog.DiscardHandler))
	require.NoError(f, err)
	w := &world{Tokens: node, clock: newClock()}
	for _, iss := range []string{"pushstream", "RS256", "ES256", "EdDSA"} {
		f.Add(w.token(f, map[string]any{"iss": iss}))
		f.Add(b64(`{"alg":"none"}`) + "." + b64(string(mustJSON(f, w.said(map[string]any{"iss": iss})))) + ".")
		f.Add(b64(`{"alg":"ES256"}`) + "." + b64(string(mustJSON(f, w.said(map[string]any{"iss": iss})))) + "." + b64(strings.Repeat("\x00", 64)))
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := node.Verify(t.Context(), token)
		requireOnly(t, auth.ErrInvalidToken, err)
		r := get(t, "/events", "Authorization", "Bearer "+token)
		for _, by := range []func(*http.Request) (auth.Principal, error){node.Reader, node.Publisher, node.TicketHolder} {
			_, err = by(r)
			require.ErrorIs(t, err, auth.ErrInvalidToken)
		}
		r = get(t, "/events", "Authorization", token)
		_, err = node.Reader(r)
		require.ErrorIs(t, err, auth.ErrInvalidToken)
	})
}

// Whatever an issuer has signed is taken or refused, and what is taken is in order.
func FuzzClaims(f *testing.F) {
	node, err := auth.New(simple(), newStore(f), slog.New(slog.DiscardHandler))
	require.NoError(f, err)
	w := &world{Tokens: node, clock: newClock()}
	w.SetClock(w.clock.now)
	f.Add(mustJSON(f, w.said(nil)))
	f.Add(mustJSON(f, w.said(map[string]any{"aud": []string{"x", "pushstream"}, "nbf": 0, "tenant": "default", "sub": "\u00e9"})))
	f.Add([]byte(`{"iss":"pushstream","aud":"pushstream","exp":1e300,"pushstream":{"subscribe":["*"]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !encoding.Valid(body) {
			return // the signer would not mind, and the node is tested with such by TestBodies
		}
		p, err := node.Verify(t.Context(), simpleSigner().sign(t, body))
		if err != nil {
			require.True(t, errors.Is(err, auth.ErrInvalidToken) || errors.Is(err, auth.ErrExpired) || errors.Is(err, auth.ErrForbidden), "%v", err)
			require.Less(t, len(err.Error()), 500)
			return
		}
		require.Equal(t, "default", p.Tenant.String())
		require.Equal(t, "pushstream", p.Issuer)
		require.True(t, p.Expires.After(w.clock.now()))
		require.False(t, p.Issued.After(w.clock.now().Add(30*time.Second)))
		require.NotEmpty(t, p.TokenID)
		require.LessOrEqual(t, len(p.Subscribe.Patterns()), auth.MaxPatterns)
		id, _, err := node.Ticket(t.Context(), p)
		require.NoError(t, err)
		q, err := node.Reader(get(t, "/events?ticket="+id))
		require.NoError(t, err)
		require.Equal(t, p.Identity(), q.Identity())
		require.Equal(t, p.Subscribe.String(), q.Subscribe.String())
		require.True(t, p.Expires.Equal(q.Expires) && p.Issued.Equal(q.Issued))
	})
}
