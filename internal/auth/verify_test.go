package auth_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestVerify(t *testing.T) {
	w := newWorld(t, simple())
	p, err := w.Verify(t.Context(), w.token(t, nil))
	require.NoError(t, err)
	now := w.clock.now()
	require.Equal(t, auth.Principal{
		Tenant: event.DefaultTenant(), User: target(t, "user:alice"), Session: target(t, "session:tab-1"),
		Subscribe: grants(t, "topic:news", "topic:orders.*"), Publish: grants(t, "user:*"),
		Issuer: "pushstream", TokenID: "t-1", Issued: now, Expires: now.Add(time.Hour + 30*time.Second),
	}, p)

	p, err = w.Verify(t.Context(), w.token(t, map[string]any{"sub": nil, "sid": nil, "iat": nil, "jti": nil, "pushstream": nil}))
	require.NoError(t, err)
	require.True(t, p.User.IsZero() && p.Session.IsZero() && p.Issued.IsZero() && p.Subscribe.IsZero() && p.Publish.IsZero())
	require.Len(t, p.Own(), 1)
	require.Regexp(t, `^sha256:[A-Za-z0-9_-]{43}$`, p.TokenID)
}

// Each change to the claims of a good token, and what it leads to.
func TestClaims(t *testing.T) {
	w := newWorld(t, simple())
	now := w.clock.now()
	own := func(subscribe any) map[string]any { return map[string]any{"subscribe": subscribe} }
	many := make([]string, 101)
	for i := range many {
		many[i] = "*"
	}
	for name, c := range map[string]struct {
		claim string
		value any
		want  error // nil for a token that counts
		says  string
	}{
		"audience list":        {"aud", []string{"other", "pushstream"}, nil, ""},
		"audience missing":     {"aud", nil, auth.ErrInvalidToken, `"aud" is missing`},
		"audience foreign":     {"aud", "other", auth.ErrInvalidToken, "audience"},
		"audience longer":      {"aud", "pushstreams", auth.ErrInvalidToken, "audience"},
		"audience empty":       {"aud", []string{}, auth.ErrInvalidToken, "audience"},
		"audience number":      {"aud", 1, auth.ErrInvalidToken, `"aud"`},
		"audience numbers":     {"aud", []any{"pushstream", 1}, auth.ErrInvalidToken, `"aud"`},
		"audience many":        {"aud", make([]string, 101), auth.ErrInvalidToken, `"aud"`},
		"issuer missing":       {"iss", nil, auth.ErrInvalidToken, `"iss" is missing`},
		"issuer foreign":       {"iss", "https://evil.example", auth.ErrInvalidToken, "not configured"},
		"issuer empty":         {"iss", "", auth.ErrInvalidToken, "not configured"},
		"issuer number":        {"iss", 5, auth.ErrInvalidToken, "not a text"},
		"exp missing":          {"exp", nil, auth.ErrInvalidToken, `"exp" is missing`},
		"exp null":             {"exp", json("null"), auth.ErrInvalidToken, "exp"},
		"exp text":             {"exp", "2030-01-01", auth.ErrInvalidToken, "exp"},
		"exp number as text":   {"exp", strconv.FormatInt(now.Add(time.Hour).Unix(), 10), auth.ErrInvalidToken, "exp"},
		"exp huge":             {"exp", json("1e300"), auth.ErrInvalidToken, "exp"},
		"exp beyond floats":    {"exp", json("1e999"), auth.ErrInvalidToken, "exp"},
		"exp long":             {"exp", json("1" + strings.Repeat("0", 4000)), auth.ErrInvalidToken, "exp"},
		"exp milliseconds":     {"exp", now.Add(time.Hour).UnixMilli(), auth.ErrInvalidToken, "milliseconds"},
		"exp negative":         {"exp", -1, auth.ErrInvalidToken, "exp"},
		"exp list":             {"exp", []int{1}, auth.ErrInvalidToken, "exp"},
		"exp true":             {"exp", true, auth.ErrInvalidToken, "exp"},
		"exp with fraction":    {"exp", json(fmt.Sprintf("%d.75", now.Unix()+60)), nil, ""},
		"exp exponent":         {"exp", json("2e9"), nil, ""},
		"exp zero":             {"exp", 0, auth.ErrExpired, "1970"},
		"exp passed":           {"exp", now.Add(-time.Minute).Unix(), auth.ErrExpired, "2026-02-03T04:04:06Z"},
		"exp within skew":      {"exp", now.Add(-29 * time.Second).Unix(), nil, ""},
		"exp at skew":          {"exp", now.Add(-30 * time.Second).Unix(), auth.ErrExpired, ""},
		"exp at the last":      {"exp", json("137438953472"), nil, ""},
		"nbf passed":           {"nbf", now.Unix(), nil, ""},
		"nbf within skew":      {"nbf", now.Add(30 * time.Second).Unix(), nil, ""},
		"nbf in the future":    {"nbf", now.Add(31 * time.Second).Unix(), auth.ErrInvalidToken, "nbf"},
		"nbf huge":             {"nbf", json("1e300"), auth.ErrInvalidToken, "nbf"},
		"nbf text":             {"nbf", "now", auth.ErrInvalidToken, "nbf"},
		"iat within skew":      {"iat", now.Add(30 * time.Second).Unix(), nil, ""},
		"iat in the future":    {"iat", now.Add(31 * time.Second).Unix(), auth.ErrInvalidToken, "iat"},
		"iat negative":         {"iat", -5, auth.ErrInvalidToken, "iat"},
		"iat text":             {"iat", "5", auth.ErrInvalidToken, "iat"},
		"user with space":      {"sub", "a b", auth.ErrInvalidToken, `claim "sub"`},
		"user empty":           {"sub", "", auth.ErrInvalidToken, "empty"},
		"user everybody":       {"sub", "*", auth.ErrInvalidToken, "sub"},
		"user number":          {"sub", 42, auth.ErrInvalidToken, "not a text"},
		"user null":            {"sub", json("null"), auth.ErrInvalidToken, "not a text"},
		"user long":            {"sub", strings.Repeat("x", 201), auth.ErrInvalidToken, "201 bytes"},
		"user with line":       {"sub", "a\r\nb", auth.ErrInvalidToken, "sub"},
		"user half a pair":     {"sub", json(`"a\ud800"`), auth.ErrInvalidToken, "UTF-8"},
		"user replaced":        {"sub", "a\ufffd", auth.ErrInvalidToken, "UTF-8"},
		"session with brace":   {"sid", "{", auth.ErrInvalidToken, `claim "sid"`},
		"session list":         {"sid", []string{"a"}, auth.ErrInvalidToken, "not a text"},
		"tenant own":           {"tenant", "default", nil, ""},
		"tenant foreign":       {"tenant", "acme", auth.ErrForbidden, "acme"},
		"tenant longer":        {"tenant", "default2", auth.ErrForbidden, "default2"},
		"tenant no name":       {"tenant", "a/b", auth.ErrInvalidToken, "tenant"},
		"tenant empty":         {"tenant", "", auth.ErrInvalidToken, "tenant"},
		"tenant null":          {"tenant", json("null"), auth.ErrInvalidToken, "tenant"},
		"jti long":             {"jti", strings.Repeat("x", 201), auth.ErrInvalidToken, "jti"},
		"jti number":           {"jti", 1, auth.ErrInvalidToken, "jti"},
		"grants list":          {"pushstream", []string{"*"}, auth.ErrInvalidToken, "pushstream"},
		"grants null":          {"pushstream", json("null"), auth.ErrInvalidToken, "pushstream"},
		"grants empty":         {"pushstream", map[string]any{}, nil, ""},
		"grants more":          {"pushstream", map[string]any{"later": 1}, nil, ""},
		"grants text":          {"pushstream", own("topic:news"), auth.ErrInvalidToken, "pushstream.subscribe"},
		"grants number":        {"pushstream", own([]any{1}), auth.ErrInvalidToken, "pushstream.subscribe"},
		"grants many":          {"pushstream", own(many), auth.ErrInvalidToken, "101 patterns"},
		"grants star inside":   {"pushstream", own([]string{"topic:a*b"}), auth.ErrInvalidToken, "pushstream.subscribe"},
		"grants long":          {"pushstream", own([]string{"topic:" + strings.Repeat("x", 300)}), auth.ErrInvalidToken, "306 bytes"},
		"grants publish wrong": {"pushstream", map[string]any{"publish": []string{"nobody"}}, auth.ErrInvalidToken, "pushstream.publish"},
		"grants twice":         {"pushstream", json(`{"subscribe":["*"],"subscribe":[]}`), auth.ErrInvalidToken, "once"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Verify(t.Context(), w.token(t, map[string]any{c.claim: c.value}))
			requireOnly(t, c.want, err)
			if c.want != nil {
				require.ErrorContains(t, err, c.says)
			}
		})
	}
}

// json is a claim as it stands.
func json(s string) any { return rawJSON(s) }

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// sentinels are all errors that a caller tells apart.
func sentinels() []error {
	return []error{auth.ErrNoToken, auth.ErrInvalidToken, auth.ErrExpired, auth.ErrRefused, auth.ErrTicket, auth.ErrKeysUnavailable, auth.ErrForbidden, event.ErrInvalid}
}

// requireOnly requires that an error is the one that is wanted, no other one, and fit for an answer.
func requireOnly(tb testing.TB, want, err error) {
	tb.Helper()
	if want == nil {
		require.NoError(tb, err)
		return
	}
	require.Error(tb, err)
	for _, s := range sentinels() {
		require.Equal(tb, errors.Is(want, s), errors.Is(err, s), "%v: is it %v?", err, s)
	}
	require.Less(tb, len(err.Error()), 500)
	require.False(tb, strings.ContainsAny(err.Error(), "\r\n\x00"))
	require.NotContains(tb, err.Error(), secretText)
	require.NotContains(tb, err.Error(), keyText)
}

// The times count by the clock of the node, and the clock skew is what it is set to.
func TestExpiry(t *testing.T) {
	for _, skew := range []time.Duration{0, 5 * time.Minute} {
		cfg := simple()
		cfg.ClockSkew = skew
		w := newWorld(t, cfg)
		token := w.token(t, map[string]any{"exp": w.clock.now().Add(time.Minute).Unix()})
		p, err := w.Verify(t.Context(), token)
		require.NoError(t, err)
		w.clock.pass(p.Expires.Sub(w.clock.now()) - time.Nanosecond)
		_, err = w.Verify(t.Context(), token)
		require.NoError(t, err)
		w.clock.pass(time.Nanosecond)
		_, err = w.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrExpired)
		require.Equal(t, newClock().now().Add(time.Minute+skew), w.clock.now())
	}
}

// Bodies that are not claims, signed all the same.
func TestBodies(t *testing.T) {
	w := newWorld(t, simple())
	good := string(mustJSON(t, w.said(nil)))
	member := func(m string) string { return strings.Replace(good, "{", "{"+m+",", 1) }
	for name, body := range map[string]string{
		"twice, at the top": member(`"sub":"mallory"`),
		"twice, iss":        member(`"iss":"pushstream"`),
		"twice, escaped":    member(`"su\u0062":"mallory"`),
		"no object":         `["pushstream"]`,
		"null":              `null`,
		"text":              `"x"`,
		"cut":               good[:len(good)-1],
		"two":               good + good,
		"not UTF-8":         strings.Replace(good, "alice", "al\xffice", 1),
		"deep":              member(`"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `,"x":1`),
		"deep, as a user":   strings.Replace(good, `"alice"`, strings.Repeat(`{"a":`, 900)+`1`+strings.Repeat("}", 900), 1),
		"empty":             `{}`,
		"blank":             ` `,
	} {
		_, err := w.Verify(t.Context(), simpleSigner().sign(t, []byte(body)))
		requireOnly(t, auth.ErrInvalidToken, err)
		require.NotContains(t, err.Error(), "mallory", name)
	}
	_, err := w.Verify(t.Context(), simpleSigner().sign(t, []byte(member(`"SUB":"mallory","Iss":"x"`))))
	require.NoError(t, err, "claims in other letters are other claims")
}

func TestForm(t *testing.T) {
	w := newWorld(t, simple())
	good := w.token(t, nil)
	parts := strings.Split(good, ".")
	mac := func(input string) string {
		h := hmac.New(sha256.New, []byte(secretText))
		h.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	header := func(text string) string { return mac(b64(text) + "." + parts[1]) }
	_, err := w.Verify(t.Context(), header(`{"alg":"HS256"}`))
	require.NoError(t, err, "the others below fail by what they are for")
	plain := mac(b64(`{"alg":"HS256","b64":false}`) + "." + string(mustJSON(t, w.said(nil)))) // as RFC 7797 signs
	plain = plain[strings.LastIndexByte(plain, '.'):]
	for name, token := range map[string]string{
		"b64, as it says":    b64(`{"alg":"HS256","b64":false}`) + "." + b64(string(mustJSON(t, w.said(nil)))) + plain,
		"none":               b64(`{"alg":"none"}`) + "." + parts[1] + ".",
		"none, signed":       header(`{"alg":"none"}`),
		"None":               header(`{"alg":"None"}`),
		"no alg":             header(`{"typ":"JWT"}`),
		"alg twice":          header(`{"alg":"HS256","alg":"HS256"}`),
		"alg number":         header(`{"alg":1}`),
		"alg lower":          header(`{"alg":"hs256"}`),
		"other alg":          header(`{"alg":"HS384"}`),
		"PS256":              header(`{"alg":"PS256"}`),
		"crit":               header(`{"alg":"HS256","crit":["exp"],"exp":1}`),
		"crit b64":           header(`{"alg":"HS256","crit":["b64"],"b64":true}`),
		"crit empty":         header(`{"alg":"HS256","crit":[]}`),
		"b64":                header(`{"alg":"HS256","b64":false}`),
		"header no object":   header(`"HS256"`),
		"header no JSON":     header(`{`),
		"kid number":         header(`{"alg":"HS256","kid":7}`),
		"empty":              "",
		"one part":           "abc",
		"two parts":          parts[0] + "." + parts[1],
		"four parts":         good + ".x",
		"five parts (JWE)":   "a.b.c.d.e",
		"no signature":       parts[0] + "." + parts[1] + ".",
		"no payload":         mac(parts[0] + "."),
		"padded":             good + "=",
		"standard alphabet":  parts[0] + "." + parts[1] + "." + strings.Repeat("+", 43),
		"line break":         parts[0] + "\n." + parts[1] + "." + parts[2],
		"line break in sig":  good + "\r\n",
		"stray bits":         parts[0] + "." + parts[1] + "." + stray(parts[2]),
		"other payload":      parts[0] + "." + b64(`{"iss":"pushstream"}`) + "." + parts[2],
		"cut signature":      good[:len(good)-4],
		"other secret":       signer{alg: jose.HS256, key: []byte(strings.Repeat("x", 32))}.sign(t, w.said(nil)),
		"JSON serialisation": `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"too long":           w.token(t, map[string]any{"x": strings.Repeat("x", auth.MaxToken)}),
		"NUL":                "\x00.\x00.\x00",
		"dots":               strings.Repeat(".", auth.MaxToken),
	} {
		t.Run(name, func(t *testing.T) {
			_, verifyErr := w.Verify(t.Context(), token)
			requireOnly(t, auth.ErrInvalidToken, verifyErr)
			if len(token) > 20 {
				require.NotContains(t, verifyErr.Error(), token[:20], "a token is never repeated")
			}
		})
	}
	_, err = w.Verify(t.Context(), header(`{"alg":"HS384"}`))
	require.ErrorContains(t, err, `it is signed with HS384, issuer "pushstream" allows HS256`)
	_, err = w.Verify(t.Context(), header(`{"alg":"none"}`))
	require.ErrorContains(t, err, `"none" is not one of HS256`)
}

// stray sets a bit that decoding drops.
func stray(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last^1])
}

func TestTokenOfExactlyTheLimit(t *testing.T) {
	w := newWorld(t, simple())
	token := ""
	for n := 5000; len(token) < auth.MaxToken; n++ {
		token = w.token(t, map[string]any{"x": strings.Repeat("x", n)})
	}
	if len(token) == auth.MaxToken {
		_, err := w.Verify(t.Context(), token)
		require.NoError(t, err)
	} else {
		_, err := w.Verify(t.Context(), token)
		require.ErrorContains(t, err, "8193 bytes")
	}
}

// Every algorithm with a key that fits, and with those that do not.
func TestAlgorithms(t *testing.T) {
	publics := make(map[jose.SignatureAlgorithm]any)
	signers := make(map[jose.SignatureAlgorithm]signer)
	cfg := auth.DefaultConfig()
	for _, alg := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA} {
		i := auth.Issuer{Issuer: string(alg), Audiences: []string{"us"}, Algorithms: []string{string(alg)}}
		if strings.HasPrefix(string(alg), "HS") {
			i.Secret = "0123456789012345678901234567890123456789012345678901234567890123"
			signers[alg] = signer{alg: alg, key: []byte(i.Secret)}
		} else {
			var private any
			private, publics[alg] = pair(t, alg)
			signers[alg] = signer{alg: alg, key: private}
			i.PublicKey = pemOf(t, publics[alg])
		}
		cfg.Issuers = append(cfg.Issuers, i)
	}
	w := newWorld(t, cfg)
	for of, s := range signers {
		for _, claimed := range cfg.Issuers {
			token := s.sign(t, w.said(map[string]any{"iss": claimed.Issuer, "aud": "us"}))
			_, err := w.Verify(t.Context(), token)
			if string(of) == claimed.Issuer {
				require.NoError(t, err, of)
			} else {
				requireOnly(t, auth.ErrInvalidToken, err)
			}
		}
	}
	// The oldest trick: the public key is known to all, and taken as a secret.
	for of, public := range publics {
		for _, text := range [][]byte{[]byte(pemOf(t, public)), []byte(strings.TrimSpace(pemOf(t, public)))} {
			for _, alg := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
				_, err := w.Verify(t.Context(), signer{alg: alg, key: text}.sign(t, w.said(map[string]any{"iss": string(of), "aud": "us"})))
				requireOnly(t, auth.ErrInvalidToken, err)
				require.ErrorContains(t, err, "allows "+string(of))
			}
		}
	}
}

// What a token brings along to be verified with is of no consequence.
func TestKeysOfTheTokenItself(t *testing.T) {
	private, public := pair(t, jose.EdDSA)
	mallory, its := pair(t, jose.EdDSA)
	cfg := auth.DefaultConfig()
	cfg.Issuers = []auth.Issuer{{Issuer: "i", Audiences: []string{"us"}, Algorithms: []string{"EdDSA"}, PublicKey: pemOf(t, public)}}
	w := newWorld(t, cfg)
	body := w.said(map[string]any{"iss": "i", "aud": "us"})
	for name, more := range map[jose.HeaderKey]any{
		"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/cert", "jwk": publicKey("k", its), "kid": "../../etc/passwd",
	} {
		_, err := w.Verify(t.Context(), signer{alg: jose.EdDSA, key: mallory, more: map[jose.HeaderKey]any{name: more}}.sign(t, body))
		requireOnly(t, auth.ErrInvalidToken, err)
		_, err = w.Verify(t.Context(), signer{alg: jose.EdDSA, key: private, more: map[jose.HeaderKey]any{name: more}}.sign(t, body))
		require.NoError(t, err, "%s is read over", name)
	}
}

// Of an ECDSA token anybody can make a second one with another signature. It has the name of the first.
func TestTokensWithoutIDHaveOneName(t *testing.T) {
	private, public := pair(t, jose.ES256)
	cfg := auth.DefaultConfig()
	cfg.Issuers = []auth.Issuer{{Issuer: "i", Audiences: []string{"us"}, Algorithms: []string{"ES256"}, PublicKey: pemOf(t, public)}}
	w := newWorld(t, cfg)
	token := signer{alg: jose.ES256, key: private}.sign(t, w.said(map[string]any{"iss": "i", "aud": "us", "jti": nil}))
	at := strings.LastIndexByte(token, '.') + 1
	raw, err := base64.RawURLEncoding.DecodeString(token[at:])
	require.NoError(t, err)
	order, ok := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	require.True(t, ok)
	new(big.Int).Sub(order, new(big.Int).SetBytes(raw[32:])).FillBytes(raw[32:])
	second := token[:at] + base64.RawURLEncoding.EncodeToString(raw)
	require.NotEqual(t, token, second)

	p, err := w.Verify(t.Context(), token)
	require.NoError(t, err)
	q, err := w.Verify(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, p.TokenID, q.TokenID)
	other, err := w.Verify(t.Context(), signer{alg: jose.ES256, key: private}.sign(t, w.said(map[string]any{"iss": "i", "aud": "us", "jti": nil, "sub": "bob"})))
	require.NoError(t, err)
	require.NotEqual(t, p.TokenID, other.TokenID)
}

// One issuer's key is no good for another's tokens, and its tenants are its own.
func TestIssuersApart(t *testing.T) {
	_, mine, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, theirs, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	cfg := auth.DefaultConfig()
	cfg.Issuers = []auth.Issuer{
		{Issuer: "mine", Audiences: []string{"us"}, Algorithms: []string{"EdDSA"}, PublicKey: pemOf(t, mine.Public()), Tenants: []string{"acme", "acme-*"}},
		{
			Issuer: "theirs", Audiences: []string{"us"}, Algorithms: []string{"EdDSA"}, PublicKey: pemOf(t, theirs.Public()), Tenants: []string{"*"},
			Claims: auth.Claims{User: "https://id.example/uid", Session: "s", Tenant: "org"},
		},
	}
	w := newWorld(t, cfg)
	verify := func(key any, changes map[string]any) (auth.Principal, error) {
		changes["aud"] = "us"
		return w.Verify(t.Context(), signer{alg: jose.EdDSA, key: key}.sign(t, w.said(changes)))
	}
	for tenant, want := range map[string]error{"acme": nil, "acme-eu": nil, "acm": auth.ErrForbidden, "acme2": auth.ErrForbidden, "default": auth.ErrForbidden} {
		p, verifyErr := verify(mine, map[string]any{"iss": "mine", "tenant": tenant})
		requireOnly(t, want, verifyErr)
		if want == nil {
			require.Equal(t, tenant, p.Tenant.String())
		}
	}
	_, err = verify(mine, map[string]any{"iss": "mine"})
	requireOnly(t, auth.ErrForbidden, err)
	_, err = verify(theirs, map[string]any{"iss": "mine", "tenant": "acme"})
	requireOnly(t, auth.ErrInvalidToken, err)

	p, err := verify(theirs, map[string]any{"iss": "theirs", "org": "any", "tenant": "acme", "https://id.example/uid": "u-1", "s": "s-1"})
	require.NoError(t, err)
	require.Equal(t, "any", p.Tenant.String())
	require.Equal(t, "user:u-1", p.User.String())
	require.Equal(t, "session:s-1", p.Session.String())
	require.Equal(t, "theirs", p.Issuer)
}
