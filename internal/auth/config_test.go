package auth_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	encoding "encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/secret"
)

func digestHex(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}

// weakRSA returns a key that is too short.
func weakRSA(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	tb.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(tb, err)
	return k
}

func issuer(change func(i *auth.Issuer)) auth.Config {
	cfg := auth.DefaultConfig()
	i := auth.Issuer{Issuer: "i", Audiences: []string{"us"}, Algorithms: []string{"HS256"}, Secret: secretText}
	change(&i)
	cfg.Issuers = []auth.Issuer{i}
	return cfg
}

func publisher(change func(k *auth.Key)) auth.Config {
	cfg := auth.DefaultConfig()
	k := auth.Key{Name: "k", Key: keyText}
	change(&k)
	cfg.Keys = []auth.Key{k}
	return cfg
}

func TestEnabled(t *testing.T) {
	require.False(t, auth.DefaultConfig().Enabled())
	require.NoError(t, auth.DefaultConfig().Validate())
	require.Equal(t, 30*time.Second, auth.DefaultConfig().ClockSkew)
	require.True(t, auth.Config{Secret: secretText}.Enabled())
	require.True(t, issuer(func(*auth.Issuer) {}).Enabled())
	require.True(t, publisher(func(*auth.Key) {}).Enabled())
	require.NoError(t, simple().Validate())
}

func TestValidate(t *testing.T) {
	_, p256 := pair(t, jose.ES256)
	_, ed := pair(t, jose.EdDSA)
	_, rsaPublic := pair(t, jose.RS256)
	private, err := x509.MarshalPKCS8PrivateKey(rsaOnce())
	require.NoError(t, err)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaOnce().PublicKey)}))
	public := func(text string, algorithms ...string) auth.Config {
		return issuer(func(i *auth.Issuer) { i.Secret, i.PublicKey, i.Algorithms = "", text, algorithms })
	}
	jwks := func(url string) auth.Config {
		return issuer(func(i *auth.Issuer) { i.Secret, i.JWKS, i.Algorithms = "", url, []string{"RS256", "ES512", "EdDSA"} })
	}
	for name, c := range map[string]struct {
		cfg  auth.Config
		want string // empty for none
	}{
		"secret short":        {auth.Config{Secret: strings.Repeat("x", 31)}, "auth.secret: it has 31 bytes, allowed are 32 to 512"},
		"secret long":         {auth.Config{Secret: strings.Repeat("x", 513)}, "auth.secret: it has 513"},
		"secret 32":           {auth.Config{Secret: strings.Repeat("x", 32)}, ""},
		"secret 512":          {auth.Config{Secret: strings.Repeat("x", 512)}, ""},
		"skew":                {auth.Config{ClockSkew: 5*time.Minute + 1}, "auth.clock_skew: 5m0.000000001s is not 0s to 5m0s"},
		"skew negative":       {auth.Config{ClockSkew: -1}, "auth.clock_skew: "},
		"skew most":           {auth.Config{ClockSkew: 5 * time.Minute}, ""},
		"cookie":              {auth.Config{Cookie: "a b"}, "auth.cookie: \"a b\" is not a cookie's name"},
		"cookie and null":     {auth.Config{Cookie: "a", Origins: []string{"null"}}, "cors.origins: "},
		"issuer":              {issuer(func(*auth.Issuer) {}), ""},
		"issuer empty":        {issuer(func(i *auth.Issuer) { i.Issuer = "" }), "auth.issuers[0].issuer: it has 0 bytes"},
		"issuer long":         {issuer(func(i *auth.Issuer) { i.Issuer = strings.Repeat("x", 501) }), "auth.issuers[0].issuer: it has 501 bytes"},
		"no audience":         {issuer(func(i *auth.Issuer) { i.Audiences = nil }), "auth.issuers[0].audiences: name one"},
		"audience empty":      {issuer(func(i *auth.Issuer) { i.Audiences = []string{"a", ""} }), "auth.issuers[0].audiences[1]: it has 0 bytes"},
		"audiences many":      {issuer(func(i *auth.Issuer) { i.Audiences = make([]string, 101) }), "auth.issuers[0].audiences: there are 101"},
		"no algorithm":        {issuer(func(i *auth.Issuer) { i.Algorithms = nil }), "auth.issuers[0].algorithms: name one"},
		"none":                {issuer(func(i *auth.Issuer) { i.Algorithms = []string{"none"} }), "auth.issuers[0].algorithms[0]: \"none\" is not one of HS256, "},
		"PS256":               {public(pemOf(t, rsaPublic), "PS256"), "auth.issuers[0].algorithms[0]: \"PS256\" is not one of"},
		"algorithm twice":     {issuer(func(i *auth.Issuer) { i.Algorithms = []string{"HS256", "HS256"} }), "auth.issuers[0].algorithms[1]: HS256 is named twice"},
		"no key":              {issuer(func(i *auth.Issuer) { i.Secret = "" }), "auth.issuers[0]: 0 of jwks, public_key, public_key_file, secret, secret_file are set"},
		"two keys":            {issuer(func(i *auth.Issuer) { i.JWKS = "https://a.example" }), "auth.issuers[0]: 2 of"},
		"weak secret":         {issuer(func(i *auth.Issuer) { i.Secret = "hunter2" }), "auth.issuers[0].secret: it has 7 bytes"},
		"secret for HS512":    {issuer(func(i *auth.Issuer) { i.Algorithms = []string{"HS512"} }), "auth.issuers[0].algorithms: HS512 does not fit a secret of 33 bytes"},
		"RS256 of a secret":   {issuer(func(i *auth.Issuer) { i.Algorithms = []string{"HS256", "RS256"} }), "auth.issuers[0].algorithms: RS256 does not fit a secret"},
		"PEM as secret":       {issuer(func(i *auth.Issuer) { i.Secret = secret.Text(pemOf(t, ed)) }), "auth.issuers[0].secret: it is a PEM text"},
		"HS256 of a key":      {public(pemOf(t, rsaPublic), "HS256"), "auth.issuers[0].algorithms: HS256 does not fit an RSA key"},
		"ES384 of P-256":      {public(pemOf(t, p256), "ES384"), "auth.issuers[0].algorithms: ES384 does not fit an ECDSA key on P-256"},
		"RSA":                 {public(pemOf(t, rsaPublic), "RS256", "RS512"), ""},
		"RSA, PKCS 1":         {public(pkcs1, "RS256"), ""},
		"RSA of 1024 bits":    {public(pemOf(t, &weakRSA(t).PublicKey), "RS256"), "auth.issuers[0].public_key: an RSA key of 1024 bits is not of use"},
		"P-256":               {public(pemOf(t, p256), "ES256"), ""},
		"P-224":               {public(pemOf(t, ecKey(t, elliptic.P224())), "ES256"), "auth.issuers[0].public_key: an ECDSA key on P-224 is not of use"},
		"Ed25519":             {public(pemOf(t, ed), "EdDSA"), ""},
		"no PEM":              {public("AAAA", "EdDSA"), "auth.issuers[0].public_key: it is not PEM"},
		"private key":         {public(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "RS256"), "it is a private key"},
		"two PEMs":            {public(pemOf(t, ed)+pemOf(t, ed), "EdDSA"), "there is something behind the key"},
		"certificate":         {public(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})), "RS256"), "give a PUBLIC KEY"},
		"broken key":          {public(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), "RS256"), "cannot be read"},
		"jwks":                {jwks("https://login.example/keys?x=1"), ""},
		"jwks here":           {jwks("http://127.0.0.1:8000/keys"), ""},
		"jwks localhost":      {jwks("http://localhost/keys"), ""},
		"jwks plain":          {jwks("http://login.example/keys"), "auth.issuers[0].jwks: it is not https"},
		"jwks like localhost": {jwks("http://localhost.example/keys"), "auth.issuers[0].jwks: it is not https"},
		"jwks file":           {jwks("file:///etc/keys"), "auth.issuers[0].jwks: "},
		"jwks path":           {jwks("/keys"), "auth.issuers[0].jwks: it is not a URL"},
		"jwks password":       {jwks("https://u:hunter2@login.example"), "auth.issuers[0].jwks: it has a user or password"},
		"jwks fragment":       {jwks("https://login.example/#k"), "auth.issuers[0].jwks: it has a fragment"},
		"jwks, no URL":        {jwks("https://%zz"), "auth.issuers[0].jwks: it is not a URL"},
		"jwks of secrets":     {issuer(func(i *auth.Issuer) { i.Secret, i.JWKS = "", "https://a.example" }), "auth.issuers[0].algorithms: HS256 needs a secret"},
		"tenants":             {issuer(func(i *auth.Issuer) { i.Tenants = []string{"a", "b-*", "*"} }), ""},
		"tenant no name":      {issuer(func(i *auth.Issuer) { i.Tenants = []string{"a", "b/*"} }), "auth.issuers[0].tenants[1]: \"b/*\" is neither"},
		"tenant star":         {issuer(func(i *auth.Issuer) { i.Tenants = []string{"a*b"} }), "auth.issuers[0].tenants[0]: "},
		"claim long":          {issuer(func(i *auth.Issuer) { i.Claims.User = strings.Repeat("x", 501) }), "auth.issuers[0].claims[0]: it has 501"},
		"key":                 {publisher(func(*auth.Key) {}), ""},
		"key name":            {publisher(func(k *auth.Key) { k.Name = "a b" }), "auth.keys[0].name: \"a b\" is not 1 to 100 of"},
		"key no name":         {publisher(func(k *auth.Key) { k.Name = "" }), "auth.keys[0].name: "},
		"key short":           {publisher(func(k *auth.Key) { k.Key = "hunter2" }), "auth.keys[0].key: a key has 32 to 512"},
		"key long":            {publisher(func(k *auth.Key) { k.Key = secret.Text(strings.Repeat("x", 513)) }), "auth.keys[0].key: a key has"},
		"key with blank":      {publisher(func(k *auth.Key) { k.Key = keyText + " x" }), "auth.keys[0].key: a key has"},
		"key not ASCII":       {publisher(func(k *auth.Key) { k.Key = keyText + "\u00e9" }), "auth.keys[0].key: a key has"},
		"key missing":         {publisher(func(k *auth.Key) { k.Key = "" }), "auth.keys[0]: 0 of key, key_file, sha256 are set"},
		"key two":             {publisher(func(k *auth.Key) { k.KeyFile = "f" }), "auth.keys[0]: 2 of"},
		"key digest":          {publisher(func(k *auth.Key) { k.Key, k.SHA256 = "", digestHex("x") }), ""},
		"key digest short":    {publisher(func(k *auth.Key) { k.Key, k.SHA256 = "", "abcd" }), "auth.keys[0].sha256: "},
		"key digest no hex":   {publisher(func(k *auth.Key) { k.Key, k.SHA256 = "", strings.Repeat("x", 64) }), "auth.keys[0].sha256: "},
		"key tenant":          {publisher(func(k *auth.Key) { k.Tenant = "a b" }), "auth.keys[0].tenant: "},
		"key publish":         {publisher(func(k *auth.Key) { k.Publish = []string{"a*"} }), "auth.keys[0].publish: "},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{c.cfg.Validate(), newError(c.cfg)} {
				if c.want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, c.want)
				require.NotContains(t, err.Error(), "hunter2")
				require.NotContains(t, err.Error(), keyText)
				require.NotContains(t, err.Error(), secretText)
			}
		})
	}
}

func newError(cfg auth.Config) error {
	_, err := auth.New(cfg, nil, slog.New(slog.DiscardHandler))
	return err
}

func TestAllFaultsAtOnce(t *testing.T) {
	cfg := auth.Config{
		Secret: "short", ClockSkew: -time.Second,
		Issuers: []auth.Issuer{{Issuer: "pushstream"}, {Issuer: "a", Audiences: []string{"us"}, Algorithms: []string{"x"}, JWKS: "ftp://x"}, {Issuer: "a"}},
		Keys:    []auth.Key{{Name: "k", Key: keyText}, {Name: "l", SHA256: digestHex(keyText)}, {Name: "k", Key: "short"}},
	}
	err := cfg.Validate()
	require.Error(t, err)
	var paths []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		path, _, _ := strings.Cut(line, ": ")
		paths = append(paths, path)
	}
	require.Equal(t, []string{
		"auth.secret", "auth.issuers[0].issuer", "auth.issuers[1].algorithms[0]", "auth.issuers[1].jwks", "auth.issuers[2].issuer",
		"auth.keys[1]", "auth.keys[2].key", "auth.keys[2].name", "auth.clock_skew",
	}, paths)

	many := auth.Config{Issuers: make([]auth.Issuer, 101), Keys: make([]auth.Key, 1001)}
	for i := range many.Issuers {
		many.Issuers[i] = auth.Issuer{Issuer: strconv.Itoa(i), Audiences: []string{"us"}, Algorithms: []string{"HS256"}, Secret: secretText}
	}
	for i := range many.Keys {
		many.Keys[i] = auth.Key{Name: strconv.Itoa(i), Key: secret.Text(fmt.Sprintf("%032d", i))}
	}
	err = many.Validate()
	require.ErrorContains(t, err, "auth.issuers: there are 101, the most is 100")
	require.ErrorContains(t, err, "auth.keys: there are 1001, the most is 1000")
	require.Equal(t, 1, strings.Count(err.Error(), "\n"))
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	private, public := pair(t, jose.EdDSA)
	cfg := auth.DefaultConfig()
	cfg.Issuers = []auth.Issuer{
		{Issuer: "s", Audiences: []string{"us"}, Algorithms: []string{"HS256"}, SecretFile: file("secret", secretText+"\r\n")},
		{Issuer: "p", Audiences: []string{"us"}, Algorithms: []string{"EdDSA"}, PublicKeyFile: file("public", "# ours\n"+pemOf(t, public)+"\n")},
	}
	keyFile := file("key", keyText+"\n")
	cfg.Keys = []auth.Key{{Name: "k", KeyFile: keyFile}}
	require.NoError(t, cfg.Validate())
	w := newWorld(t, cfg)
	require.NoError(t, os.Remove(keyFile), "it is read once")
	p, err := w.Publisher(get(t, "/", bearer(keyText)...))
	require.NoError(t, err)
	require.Equal(t, "k", p.Key)
	for iss, s := range map[string]signer{"s": simpleSigner(), "p": {alg: jose.EdDSA, key: private}} {
		_, err = w.Verify(t.Context(), s.sign(t, w.said(map[string]any{"iss": iss, "aud": "us"})))
		require.NoError(t, err, iss)
	}

	for name, c := range map[string]struct {
		text string
		want string
	}{
		"empty":       {"", "it has 0 bytes"},
		"short":       {"hunter2\n", "it has 7 bytes"},
		"blank lines": {strings.Repeat("\n", 20), "it has 19 bytes"},
		"huge":        {strings.Repeat("x", 64<<10+1), "more than 65536 bytes"},
	} {
		cfg = issuer(func(i *auth.Issuer) { i.Secret, i.SecretFile = "", file("bad", c.text) })
		require.NoError(t, cfg.Validate(), "files are not read")
		err = newError(cfg)
		require.ErrorContains(t, err, "auth.issuers[0].secret_file: ", name)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
	missing := filepath.Join(dir, "missing")
	for setting, cfg := range map[string]auth.Config{
		"auth.issuers[0].secret_file":     issuer(func(i *auth.Issuer) { i.Secret, i.SecretFile = "", missing }),
		"auth.issuers[0].public_key_file": issuer(func(i *auth.Issuer) { i.Secret, i.PublicKeyFile = "", missing }),
		"auth.keys[0].key_file":           publisher(func(k *auth.Key) { k.Key, k.KeyFile = "", missing }),
	} {
		require.NoError(t, cfg.Validate())
		err = newError(cfg)
		require.ErrorContains(t, err, setting+": ")
		require.ErrorContains(t, err, missing)
	}
}

// However a configuration is shown, its secrets are not.
func TestSecretsAreNotShown(t *testing.T) {
	cfg := issuer(func(*auth.Issuer) {})
	cfg.Secret = secretText
	cfg.Keys = publisher(func(*auth.Key) {}).Keys
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	log.Info("x", slog.Any("config", cfg), slog.Any("issuer", cfg.Issuers[0]), slog.Any("key", cfg.Keys[0]))
	body, err := encoding.Marshal(map[string]any{"i": cfg.Issuers, "k": cfg.Keys})
	require.NoError(t, err)
	for _, text := range []string{
		logged.String(), string(body), fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg), fmt.Sprintf("%v %+v %#v", cfg.Issuers, cfg.Issuers[0], cfg.Issuers),
		fmt.Sprintf("%v %+v %#v", cfg.Keys, cfg.Keys[0], cfg.Keys),
	} {
		require.NotContains(t, text, secretText)
		require.NotContains(t, text, keyText)
		require.Contains(t, text, "set)")
	}
}

func TestJSONNames(t *testing.T) {
	var i auth.Issuer
	decoder := encoding.NewDecoder(strings.NewReader(`{"issuer":"i","audiences":["a"],"algorithms":["HS256"],"secret":"s","secret_file":"sf","public_key":"p","public_key_file":"pf",
		"jwks":"j","claims":{"user":"u","session":"s","tenant":"t"},"tenants":["x"]}`))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&i))
	require.Equal(t, auth.Issuer{
		Issuer: "i", Audiences: []string{"a"}, Algorithms: []string{"HS256"}, Secret: "s", SecretFile: "sf", PublicKey: "p", PublicKeyFile: "pf", JWKS: "j",
		Claims: auth.Claims{User: "u", Session: "s", Tenant: "t"}, Tenants: []string{"x"},
	}, i)
	var k auth.Key
	decoder = encoding.NewDecoder(strings.NewReader(`{"name":"n","key":"k","key_file":"f","sha256":"d","tenant":"t","publish":["*"]}`))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&k))
	require.Equal(t, auth.Key{Name: "n", Key: "k", KeyFile: "f", SHA256: "d", Tenant: "t", Publish: []string{"*"}}, k)
}
