package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
)

// provider is an issuer's server, with a key set that changes.
type provider struct {
	*httptest.Server

	asked atomic.Int32
	mu    sync.Mutex
	serve http.HandlerFunc
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		serve := p.serve
		p.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) answer(serve http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve = serve
}

// publish answers with a set.
func (p *provider) publish(t *testing.T, keys ...any) {
	t.Helper()
	body := mustJSON(t, map[string]any{"keys": append([]any{}, keys...)})
	p.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

func (p *provider) fail() {
	p.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
}

// published is a world with one issuer that publishes its keys at p, and takes ES256 and RS256.
func published(t *testing.T, p *provider) *world {
	t.Helper()
	cfg := auth.DefaultConfig()
	cfg.Issuers = []auth.Issuer{{Issuer: "i", Audiences: []string{"us"}, Algorithms: []string{"ES256", "RS256"}, JWKS: p.URL + "/keys"}}
	return newWorld(t, cfg)
}

// named is a signer with an id, and what a key set has of it.
func named(t *testing.T, kid string) (signer, jose.JSONWebKey) {
	t.Helper()
	private, public := pair(t, jose.ES256)
	return signer{alg: jose.ES256, key: private, kid: kid}, publicKey(kid, public)
}

func (w *world) try(t *testing.T, s signer) error {
	t.Helper()
	_, err := w.Verify(t.Context(), s.sign(t, w.said(map[string]any{"iss": "i", "aud": "us", "exp": w.clock.now().Add(100 * time.Hour).Unix()})))
	return err
}

func TestKeySetRotation(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	b, pubB := named(t, "b")
	p.publish(t, pubA)
	w := published(t, p)
	require.Zero(t, p.asked.Load(), "a constructor starts nothing")
	require.NoError(t, w.try(t, a))
	require.NoError(t, w.try(t, a))
	require.Equal(t, int32(1), p.asked.Load())

	p.publish(t, pubA, pubB)
	require.NoError(t, w.try(t, b), "a key that is not known is asked for, at once")
	require.Equal(t, int32(2), p.asked.Load())

	p.publish(t, pubB)
	require.NoError(t, w.try(t, a), "what was fetched lately counts")
	w.clock.pass(15 * time.Minute)
	require.NoError(t, w.try(t, a), "behind its back they are fetched again")
	require.Eventually(t, func() bool { return p.asked.Load() == 3 }, 5*time.Second, time.Millisecond)
	w.Settle()
	requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
	require.NoError(t, w.try(t, b))
}

// Anybody can make up a token with a key's id that does not exist: the issuer does not feel it. The token is wrong for good
// once the issuer was asked after it came.
func TestUnknownKeys(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	madeUp := make([]signer, 50)
	for n := range madeUp {
		madeUp[n], _ = named(t, fmt.Sprint("made-up-", n))
	}
	requireOnly(t, auth.ErrInvalidToken, w.try(t, madeUp[0]))
	for _, s := range madeUp[1:] {
		requireOnly(t, auth.ErrKeysUnavailable, w.try(t, s))
		requireOnly(t, auth.ErrInvalidToken, w.try(t, madeUp[0]))
	}
	require.Equal(t, int32(2), p.asked.Load())
	w.clock.pass(30 * time.Second)
	x, _ := named(t, "x")
	y, _ := named(t, "y")
	requireOnly(t, auth.ErrInvalidToken, w.try(t, x))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, x))
	for _, s := range madeUp {
		requireOnly(t, auth.ErrInvalidToken, w.try(t, s))
	}
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, y))
	require.Equal(t, int32(3), p.asked.Load())

	forged, _ := named(t, "a")
	requireOnly(t, auth.ErrInvalidToken, w.try(t, forged))
	require.Equal(t, int32(3), p.asked.Load(), "a wrong signature is no reason to ask")
}

// More made-up ids than are kept: those above get no last word, except who has the issuer asked.
func TestManyUnknownKeys(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, signer{alg: a.alg, key: a.key, kid: "first"}))
	for n := range 200 {
		requireOnly(t, auth.ErrKeysUnavailable, w.try(t, signer{alg: a.alg, key: a.key, kid: fmt.Sprint("made-up-", n)}))
	}
	w.clock.pass(30 * time.Second)
	for range 2 {
		requireOnly(t, auth.ErrInvalidToken, w.try(t, signer{alg: a.alg, key: a.key, kid: "last"}))
	}
	requireOnly(t, auth.ErrInvalidToken, w.try(t, signer{alg: a.alg, key: a.key, kid: "made-up-99"}))
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, signer{alg: a.alg, key: a.key, kid: "made-up-100"}))
	require.Equal(t, int32(3), p.asked.Load())
}

// Made-up tokens keep nobody out who has a new key: they are told to come back, not that their token is wrong.
func TestRotationBehindAnUnknownKey(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	b, pubB := named(t, "b")
	madeUp, _ := named(t, "made-up")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, madeUp))
	p.fail()
	w.clock.pass(time.Second)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, b))
	p.publish(t, pubA, pubB)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, b))
	require.Equal(t, int32(2), p.asked.Load())
	w.clock.pass(29 * time.Second)
	require.NoError(t, w.try(t, b))
	require.Equal(t, int32(3), p.asked.Load())
}

// A key that the issuer has withdrawn does not count once more because nobody came for long.
func TestWithdrawnKey(t *testing.T) {
	for _, quiet := range []time.Duration{30 * time.Minute, 23 * time.Hour} {
		p := newProvider(t)
		a, pubA := named(t, "a")
		b, pubB := named(t, "b")
		p.publish(t, pubA)
		w := published(t, p)
		require.NoError(t, w.try(t, a))
		p.publish(t, pubB)
		w.clock.pass(quiet)
		requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
		require.NoError(t, w.try(t, b))
		require.Equal(t, int32(2), p.asked.Load())
	}
}

func TestKeySetOutage(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	p.fail()
	w := published(t, p)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))
	require.Equal(t, int32(1), p.asked.Load(), "an issuer that is down is let alone for some seconds")
	require.Contains(t, w.logs.String(), "status is 500")

	p.publish(t, pubA)
	w.clock.pass(5 * time.Second)
	require.NoError(t, w.try(t, a))

	p.fail()
	b, _ := named(t, "b")
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, b))
	asked := p.asked.Load()
	for hours := range 23 {
		w.clock.pass(time.Hour)
		for range 3 {
			require.NoError(t, w.try(t, a), "what is known goes on working")
			w.Settle()
		}
		require.Equal(t, asked+int32(hours)+1, p.asked.Load(), "and the issuer is let alone for a while")
	}
	w.clock.pass(time.Hour - time.Second)
	require.NoError(t, w.try(t, a))
	w.Settle()
	w.clock.pass(time.Second)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))

	p.publish(t, pubA)
	w.clock.pass(5 * time.Second)
	require.NoError(t, w.try(t, a))
}

func TestIssuerThatIsAway(t *testing.T) {
	p := newProvider(t)
	a, _ := named(t, "a")
	w := published(t, p)
	p.Close()
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))
	require.NotContains(t, w.try(t, a).Error(), p.URL, "where the keys are is nobody's business")
}

// Many readers with a new key make one request, and wait no longer than they want to.
func TestOneFetchForAll(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	body := mustJSON(t, map[string]any{"keys": []any{pubA}})
	release := make(chan struct{})
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(body)
	})
	w := published(t, p)
	token := a.sign(t, w.said(map[string]any{"iss": "i", "aud": "us"}))

	hasty, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Verify(hasty, token) // begins the fetch, and does not wait
	requireOnly(t, auth.ErrKeysUnavailable, err)
	require.ErrorIs(t, err, context.Canceled)

	results := make(chan error)
	for range 20 {
		go func() { // joined by its result
			_, verifyErr := w.Verify(t.Context(), token)
			results <- verifyErr
		}()
	}
	_, err = w.Verify(hasty, token)
	requireOnly(t, auth.ErrKeysUnavailable, err)
	close(release)
	for range 20 {
		require.NoError(t, <-results)
	}
	require.Equal(t, int32(1), p.asked.Load())
}

// Who comes while a new key is being fetched waits for it too, though the issuer has been asked just now.
func TestAllWaitForANewKey(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	b, pubB := named(t, "b")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	body := mustJSON(t, map[string]any{"keys": []any{pubA, pubB}})
	release := make(chan struct{})
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(body)
	})
	token := b.sign(t, w.said(map[string]any{"iss": "i", "aud": "us"}))
	hasty, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		_, err := w.Verify(hasty, token)
		requireOnly(t, auth.ErrKeysUnavailable, err)
	}
	require.NoError(t, w.try(t, a), "known keys need not wait")
	close(release)
	w.Settle()
	require.NoError(t, w.try(t, b))
	require.Equal(t, int32(2), p.asked.Load())
}

func TestSlowIssuer(t *testing.T) {
	p := newProvider(t)
	a, _ := named(t, "a")
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	w := published(t, p)
	w.SetFetchTimeout(50 * time.Millisecond)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))
	require.Contains(t, w.logs.String(), "deadline exceeded")
}

// Answers that are no key sets, and such that hold none of use.
func TestAnswersOfIssuers(t *testing.T) {
	a, pubA := named(t, "a")
	set := string(mustJSON(t, pubA))
	with := func(member string) string { return `{"keys":[` + strings.Replace(set, "{", "{"+member+",", 1) + `]}` }
	without := strings.Replace(set, `"use":"sig",`, "", 1)
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"good":              {`{"keys":[` + set + `]}`, nil},
		"more members":      {`{"issuer":1,"keys":[` + set + `],"x":{}}`, nil},
		"among strange":     {`{"keys":[{"kty":"later"},7,null,{"kty":"EC"},{"kty":"oct","k":"AAAA","kid":"a"},` + set + `]}`, nil},
		"right alg":         {with(`"alg":"ES256"`), nil},
		"right operation":   {with(`"key_ops":["verify"]`), nil},
		"no use":            {`{"keys":[` + without + `]}`, nil},
		"other alg":         {with(`"alg":"ES384"`), auth.ErrInvalidToken},
		"other operation":   {with(`"key_ops":["encrypt"]`), auth.ErrInvalidToken},
		"for encryption":    {`{"keys":[` + strings.Replace(set, `"sig"`, `"enc"`, 1) + `]}`, auth.ErrInvalidToken},
		"other id":          {`{"keys":[` + strings.Replace(set, `"kid":"a"`, `"kid":"A"`, 1) + `]}`, auth.ErrInvalidToken},
		"member twice":      {with(`"kid":"b"`), auth.ErrInvalidToken},
		"empty":             {`{"keys":[]}`, auth.ErrInvalidToken},
		"off the curve":     {`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]}`, auth.ErrInvalidToken},
		"private":           {`{"keys":[` + string(mustJSON(t, jose.JSONWebKey{Key: a.key, KeyID: "a"})) + `]}`, auth.ErrInvalidToken},
		"beyond the limit":  {`{"keys":[` + strings.Repeat("{},", 100) + set + `]}`, auth.ErrInvalidToken},
		"no keys":           {`{}`, auth.ErrKeysUnavailable},
		"keys null":         {`{"keys":null}`, auth.ErrKeysUnavailable},
		"keys no list":      {`{"keys":{}}`, auth.ErrKeysUnavailable},
		"no JSON":           {`<html>`, auth.ErrKeysUnavailable},
		"nothing":           {``, auth.ErrKeysUnavailable},
		"huge":              {`{"keys":[` + set + `],"x":"` + strings.Repeat("x", 1<<20) + `"}`, auth.ErrKeysUnavailable},
		"huge with blanks":  {`{"keys":[` + set + `]}` + strings.Repeat(" ", 1<<20), auth.ErrKeysUnavailable},
		"nearly huge":       {`{"keys":[` + set + `],"x":"` + strings.Repeat("x", 1<<20-1000) + `"}`, nil},
		"deep":              {`{"keys":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, auth.ErrKeysUnavailable},
		"deep, not a value": {`{"keys":` + strings.Repeat("[", 200_000), auth.ErrKeysUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.body)) })
			requireOnly(t, c.want, published(t, p).try(t, a))
		})
	}
}

func TestWeakPublishedKeyIsNone(t *testing.T) {
	p := newProvider(t)
	weak := weakRSA(t)
	p.publish(t, publicKey("r", &weak.PublicKey))
	requireOnly(t, auth.ErrInvalidToken, published(t, p).try(t, signer{alg: jose.RS256, key: weak, kid: "r"}))
}

// Tokens and keys without an id go together where there is no choice.
func TestKeysWithoutID(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "")
	_, pubB := named(t, "b")
	_, rsaPublic := pair(t, jose.RS256)
	p.publish(t, pubA, publicKey("r", rsaPublic))
	w := published(t, p)
	require.NoError(t, w.try(t, a), "the only one for ES256")
	a.kid = "whatever"
	require.NoError(t, w.try(t, a))

	p.publish(t, pubA, pubB)
	w = published(t, p)
	a.kid = ""
	requireOnly(t, auth.ErrInvalidToken, w.try(t, a))

	p.publish(t, pubB)
	w = published(t, p)
	a.kid = "a"
	requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
}

// An issuer whose keys have no ids can rotate too: a signature that does not fit is what tells.
func TestRotationWithoutIDs(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "")
	b, pubB := named(t, "")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	p.publish(t, pubB)
	require.NoError(t, w.try(t, b))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
	for range 10 {
		requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
	}
	require.Equal(t, int32(2), p.asked.Load())
}

// A key that is published otherwise than before counts as it is published now.
func TestKeyPublishedOtherwise(t *testing.T) {
	a, pub := named(t, "a")
	wrongAlg, wrongID := pub, pub
	wrongAlg.Algorithm, wrongID.KeyID = "ES384", "b"
	for _, was := range []jose.JSONWebKey{wrongAlg, wrongID} {
		p := newProvider(t)
		p.publish(t, was)
		w := published(t, p)
		requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
		p.publish(t, pub)
		w.clock.pass(30 * time.Second)
		require.NoError(t, w.try(t, a))
	}
}

// Tokens without ids all ask for the same key: a forged one does not answer for those that come after it.
func TestRotationWithoutIDsBehindAForgery(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "")
	b, pubB := named(t, "")
	forged, _ := named(t, "")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, forged))
	p.publish(t, pubB)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, b))
	require.Equal(t, int32(2), p.asked.Load())
	w.clock.pass(30 * time.Second)
	require.NoError(t, w.try(t, b))
	requireOnly(t, auth.ErrInvalidToken, w.try(t, a))
	require.Equal(t, int32(3), p.asked.Load())
}

// Key ids are the issuer's own: another's key of the same id is another key.
func TestKeyIDsOfTwoIssuers(t *testing.T) {
	p, q := newProvider(t), newProvider(t)
	mine, pubMine := named(t, "k")
	theirs, pubTheirs := named(t, "k")
	p.publish(t, pubMine)
	q.publish(t, pubTheirs)
	cfg := auth.DefaultConfig()
	for name, at := range map[string]*provider{"i": p, "j": q} {
		cfg.Issuers = append(cfg.Issuers, auth.Issuer{Issuer: name, Audiences: []string{"us"}, Algorithms: []string{"ES256"}, JWKS: at.URL})
	}
	w := newWorld(t, cfg)
	as := func(s signer, iss string) error {
		_, err := w.Verify(t.Context(), s.sign(t, w.said(map[string]any{"iss": iss, "aud": "us"})))
		return err
	}
	require.NoError(t, as(mine, "i"))
	require.NoError(t, as(theirs, "j"))
	requireOnly(t, auth.ErrInvalidToken, as(theirs, "i"))
	requireOnly(t, auth.ErrInvalidToken, as(mine, "j"))
}

func TestRedirects(t *testing.T) {
	a, pubA := named(t, "a")
	elsewhere := newProvider(t)
	elsewhere.publish(t, pubA)
	for name, c := range map[string]struct {
		to   string
		want error
	}{
		"same host":    {"/final", nil},
		"another host": {elsewhere.URL, auth.ErrKeysUnavailable},
		"another name": {"http://localhost:PORT/final", auth.ErrKeysUnavailable},
		"a file":       {"file:///etc/passwd", auth.ErrKeysUnavailable},
		"for ever":     {"/keys", auth.ErrKeysUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			body := mustJSON(t, map[string]any{"keys": []any{pubA}})
			to := strings.Replace(c.to, "PORT", p.URL[strings.LastIndexByte(p.URL, ':')+1:], 1)
			p.answer(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/final" {
					_, _ = w.Write(body)
					return
				}
				http.Redirect(w, r, to, http.StatusFound)
			})
			requireOnly(t, c.want, published(t, p).try(t, a))
			require.LessOrEqual(t, p.asked.Load(), int32(5))
		})
	}
	require.Zero(t, elsewhere.asked.Load())
}

// The query of an address may be what lets us in.
func TestAddressIsLoggedWithoutQuery(t *testing.T) {
	a, _ := named(t, "a")
	for name, c := range map[string]struct {
		serve http.HandlerFunc // nil for nobody who listens
		want  string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "the status is 403"},
		"away":   {nil, "connection refused"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://elsewhere.example/?"+r.URL.RawQuery, http.StatusFound)
		}, "redirect to another host"},
		"no set":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, "not a key set"},
		"huge":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20+1)) }, "more than 1048576 bytes"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") }, "unexpected EOF"},
		"slow":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.answer(c.serve)
			if c.serve == nil {
				p.Close()
			}
			cfg := auth.DefaultConfig()
			cfg.Issuers = []auth.Issuer{{Issuer: "i", Audiences: []string{"us"}, Algorithms: []string{"ES256"}, JWKS: p.URL + "/keys?code=hunter2"}}
			w := newWorld(t, cfg)
			if name == "slow" {
				w.SetFetchTimeout(50 * time.Millisecond)
			}
			err := w.try(t, a)
			requireOnly(t, auth.ErrKeysUnavailable, err)
			require.NotContains(t, err.Error(), "hunter2")
			require.Contains(t, w.logs.String(), p.URL+"/keys: ")
			require.Contains(t, w.logs.String(), c.want)
			require.NotContains(t, w.logs.String(), "hunter2")
		})
	}
}

// The administration answers a little longer than readers and publishers are served.
func TestNoFetchAfterClose(t *testing.T) {
	p := newProvider(t)
	a, pubA := named(t, "a")
	b, pubB := named(t, "b")
	p.publish(t, pubA)
	w := published(t, p)
	require.NoError(t, w.try(t, a))
	p.publish(t, pubA, pubB)
	w.Close()
	w.Close()
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, b))
	w.clock.pass(15 * time.Minute)
	require.NoError(t, w.try(t, a), "what is known goes on")
	w.clock.pass(15 * time.Minute)
	requireOnly(t, auth.ErrKeysUnavailable, w.try(t, a))
	require.Equal(t, int32(1), p.asked.Load())
}
