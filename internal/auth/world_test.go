package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	encoding "encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
)

const (
	secretText = "correct-horse-battery-staple-0123"
	keyText    = "publisher-key-0123456789-abcdefgh"
)

// clock is a clock that only moves when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a node's authentication and its clock.
type world struct {
	*auth.Tokens

	clock *clock
	logs  *lockedBuilder
}

func newStore(tb testing.TB) *memory.Engine {
	tb.Helper()
	store, err := memory.New(memory.DefaultConfig())
	require.NoError(tb, err)
	tb.Cleanup(store.Close)
	return store
}

// simple is the configuration of the simple form, with a publisher's key.
func simple() auth.Config {
	cfg := auth.DefaultConfig()
	cfg.Secret = secretText
	cfg.Keys = []auth.Key{{Name: "backend", Key: keyText}}
	return cfg
}

func newWorld(tb testing.TB, cfg auth.Config) *world {
	tb.Helper()
	logs := new(lockedBuilder)
	tokens, err := auth.New(cfg, newStore(tb), slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(tb, err)
	w := &world{Tokens: tokens, clock: newClock(), logs: logs}
	w.SetClock(w.clock.now)
	tb.Cleanup(w.Close)
	return w
}

type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// signer signs tokens.
type signer struct {
	alg  jose.SignatureAlgorithm
	key  any
	kid  string
	more map[jose.HeaderKey]any
}

func (s signer) sign(tb testing.TB, payload any) string {
	tb.Helper()
	body, isBytes := payload.([]byte)
	if !isBytes {
		var err error
		body, err = encoding.Marshal(payload)
		require.NoError(tb, err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range s.more {
		options = options.WithHeader(name, value)
	}
	if s.kid != "" {
		options = options.WithHeader("kid", s.kid)
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, options)
	require.NoError(tb, err)
	signed, err := made.Sign(body)
	require.NoError(tb, err)
	text, err := signed.CompactSerialize()
	require.NoError(tb, err)
	return text
}

func simpleSigner() signer { return signer{alg: jose.HS256, key: []byte(secretText)} }

// said are the claims of a token of the simple form, with changes; a nil value takes one away.
func (w *world) said(changes map[string]any) map[string]any {
	now := w.clock.now()
	c := map[string]any{
		"iss": "pushstream", "aud": "pushstream", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "jti": "t-1", "sub": "alice", "sid": "tab-1",
		"pushstream": map[string]any{"subscribe": []string{"topic:news", "topic:orders.*"}, "publish": []string{"user:*"}},
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (w *world) token(tb testing.TB, changes map[string]any) string {
	tb.Helper()
	return simpleSigner().sign(tb, w.said(changes))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// get is a request with headers: name, value, and so on.
func get(tb testing.TB, target string, header ...string) *http.Request {
	tb.Helper()
	return requestOf(tb, http.MethodGet, target, header...)
}

func requestOf(tb testing.TB, method, target string, header ...string) *http.Request {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, target, http.NoBody)
	require.NoError(tb, err)
	r.Host = "events.example"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func pemOf(tb testing.TB, public any) string {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(tb, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// pair returns a key pair for an algorithm. RSA keys are made once: that takes long.
func pair(tb testing.TB, alg jose.SignatureAlgorithm) (private, public any) {
	tb.Helper()
	switch alg {
	case jose.RS256, jose.RS384, jose.RS512:
		return rsaOnce(), &rsaOnce().PublicKey
	case jose.EdDSA:
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(tb, err)
		return priv, pub
	default:
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[string(alg)]
		require.NotNil(tb, curve)
		priv, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(tb, err)
		return priv, priv.Public()
	}
}

var rsaOnce = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// publicKey is what a key set has of a key.
func publicKey(kid string, public crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig"}
}

func mustJSON(tb testing.TB, v any) []byte {
	tb.Helper()
	body, err := encoding.Marshal(v)
	require.NoError(tb, err)
	return body
}

func ecKey(tb testing.TB, curve elliptic.Curve) any {
	tb.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(tb, err)
	return k.Public()
}
