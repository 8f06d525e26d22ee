package auth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/pushstream/pushstream/internal/secret"
	"github.com/pushstream/pushstream/pkg/event"
)

// Config says whose credentials count. Begin with DefaultConfig and override.
type Config struct {
	// Secret is the simple form of an issuer: tokens are signed with it (HS256, 32 to 512 bytes), and their issuer and
	// audience are "pushstream"; default empty for none.
	Secret string
	// Issuers are whose tokens count besides, at most 100; default none.
	Issuers []Issuer
	// Keys are those of publishers, at most 1000; default none.
	Keys []Key
	// Cookie names the cookie that may carry a reader's token; default empty for none.
	Cookie string
	// Origins are the exact origins whose pages may send the cookie, and whose scripts may read answers; default none.
	Origins []string
	// ClockSkew is how far the clocks of issuers may be off, 0s to 5m; default 30s.
	ClockSkew time.Duration
}

// Issuer is somebody whose tokens count. Exactly one of Secret, SecretFile, PublicKey, PublicKeyFile and JWKS is set.
type Issuer struct {
	// Issuer is the claim iss of its tokens.
	Issuer string `json:"issuer" yaml:"issuer"`
	// Audiences are the values of the claim aud that mean us; a token has to have one of them.
	Audiences []string `json:"audiences" yaml:"audiences"`
	// Algorithms are those that its tokens may be signed with. All have to fit the key.
	Algorithms []string `json:"algorithms" yaml:"algorithms"`
	// Secret is shared with the issuer (HS256, HS384, HS512), as long as the algorithm's hash at least, at most 512 bytes.
	Secret secret.Text `json:"secret,omitempty" yaml:"secret,omitempty"`
	// SecretFile is a file that has the secret. A line break at its end does not belong to it.
	SecretFile string `json:"secret_file,omitempty" yaml:"secret_file,omitempty"`
	// PublicKey is the issuer's key, in PEM: RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519.
	PublicKey string `json:"public_key,omitempty" yaml:"public_key,omitempty"`
	// PublicKeyFile is a file that has the public key.
	PublicKeyFile string `json:"public_key_file,omitempty" yaml:"public_key_file,omitempty"`
	// JWKS is the URL of the issuer's key set (RFC 7517, section 5): https, or http on this machine.
	JWKS string `json:"jwks,omitempty" yaml:"jwks,omitempty"`
	// Claims names the claims that say who somebody is.
	Claims Claims `json:"claims,omitzero" yaml:"claims,omitempty"`
	// Tenants are patterns of the tenants that the issuer may speak for: a name, a prefix and "*", or "*"; empty for the
	// tenant default alone.
	Tenants []string `json:"tenants,omitempty" yaml:"tenants,omitempty"`
}

// Claims are names of claims.
type Claims struct {
	// User has the user's id; empty for sub.
	User string `json:"user,omitempty" yaml:"user,omitempty"`
	// Session has the session's id; empty for sid.
	Session string `json:"session,omitempty" yaml:"session,omitempty"`
	// Tenant has the tenant's name; empty for tenant.
	Tenant string `json:"tenant,omitempty" yaml:"tenant,omitempty"`
}

// Key is a publisher's. Exactly one of Key, KeyFile and SHA256 is set.
type Key struct {
	// Name is what logs call it, 1 to 100 of A-Z, a-z, 0-9, -, _ and dots.
	Name string `json:"name" yaml:"name"`
	// Key is 32 to 512 visible ASCII characters.
	Key secret.Text `json:"key,omitempty" yaml:"key,omitempty"`
	// KeyFile is a file that has the key. A line break at its end does not belong to it.
	KeyFile string `json:"key_file,omitempty" yaml:"key_file,omitempty"`
	// SHA256 is the key's digest, in hexadecimal.
	SHA256 string `json:"sha256,omitempty" yaml:"sha256,omitempty"`
	// Tenant is whose events it publishes; empty for default.
	Tenant string `json:"tenant,omitempty" yaml:"tenant,omitempty"`
	// Publish are patterns of the targets that it may publish to; empty for all.
	Publish []string `json:"publish,omitempty" yaml:"publish,omitempty"`
}

const (
	// simpleName is issuer and audience of the simple form.
	simpleName = "pushstream"

	maxIssuers   = 100
	maxKeys      = 1000
	maxNames     = 100 // audiences, tenants and the like of one issuer
	maxName      = 500 // bytes
	leastSecret  = 32  // bytes: those of SHA-256 (RFC 7518, section 3.2)
	mostSecret   = 512
	maxClockSkew = 5 * time.Minute
)

// DefaultConfig returns the defaults: no credential counts.
func DefaultConfig() Config { return Config{ClockSkew: 30 * time.Second} }

// Enabled reports whether authentication is configured at all.
func (c Config) Enabled() bool { return c.Secret != "" || len(c.Issuers) > 0 || len(c.Keys) > 0 }

// Validate returns all faults, each as "path: what is wrong". It reads no files.
func (c Config) Validate() error {
	_, err := c.build(nil)
	return err
}

// faults collects what is wrong.
type faults []error

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// built is what a Config comes to.
type built struct {
	issuers map[string]*issuer
	keys    []staticKey
}

// build makes of the configuration what works. Files are read by read; without it they are left alone.
func (c Config) build(read reader) (built, error) {
	var f faults
	b := built{issuers: make(map[string]*issuer)}
	if c.Secret != "" {
		simple := Issuer{Issuer: simpleName, Audiences: []string{simpleName}, Algorithms: []string{string(jose.HS256)}, Secret: secret.Text(c.Secret)}
		b.issuers[simpleName] = simple.build("auth", read, &f)
	}
	if len(c.Issuers) > maxIssuers {
		f.add("auth.issuers", "there are %d, the most is %d", len(c.Issuers), maxIssuers)
	}
	for n, i := range c.Issuers[:min(len(c.Issuers), maxIssuers)] {
		path := fmt.Sprintf("auth.issuers[%d]", n)
		if _, twice := b.issuers[i.Issuer]; twice {
			f.add(path+".issuer", "%s is the name of another issuer too (%s is that of auth.secret)", event.Quote(i.Issuer), simpleName)
			continue
		}
		b.issuers[i.Issuer] = i.build(path, read, &f)
	}
	b.keys = c.buildKeys(read, &f)
	c.checkEdge(&f)
	return b, errors.Join(f...)
}

func (c Config) buildKeys(read reader, f *faults) []staticKey {
	if len(c.Keys) > maxKeys {
		f.add("auth.keys", "there are %d, the most is %d", len(c.Keys), maxKeys)
	}
	var keys []staticKey
	for n, k := range c.Keys[:min(len(c.Keys), maxKeys)] {
		path := fmt.Sprintf("auth.keys[%d]", n)
		key, known := k.build(path, read, f)
		for _, other := range keys {
			switch {
			case other.name == key.name && key.name != "":
				f.add(path+".name", "%s is the name of another key too", event.Quote(key.name))
			case other.known && known && other.digest == key.digest:
				f.add(path, "it is the same key as %s", event.Quote(other.name))
			}
		}
		keys = append(keys, key)
	}
	return keys
}

func (c Config) checkEdge(f *faults) {
	if c.Cookie != "" {
		if err := (&http.Cookie{Name: c.Cookie, Value: "v"}).Valid(); err != nil { //nolint:gosec // it is never set, only its name is looked at (RFC 6265, section 4.1.1)
			f.add("auth.cookie", "%s is not a cookie's name", event.Quote(c.Cookie))
		}
		if slices.Contains(c.Origins, "null") {
			f.add("cors.origins", "\"null\" is what any page can make its origin; it cannot be trusted with the cookie (auth.cookie)")
		}
	}
	if c.ClockSkew < 0 || c.ClockSkew > maxClockSkew {
		f.add("auth.clock_skew", "%v is not 0s to %v", c.ClockSkew, maxClockSkew)
	}
}

func (i Issuer) build(path string, read reader, f *faults) *issuer {
	if i.Issuer == "" || len(i.Issuer) > maxName {
		f.add(path+".issuer", "it has %d bytes, allowed are 1 to %d", len(i.Issuer), maxName)
	}
	out := &issuer{name: i.Issuer, claims: i.Claims.orUsual(), audiences: i.Audiences, tenants: i.Tenants}
	checkNames(path+".audiences", i.Audiences, f)
	if len(i.Audiences) == 0 {
		f.add(path+".audiences", "name one at least: tokens for other services of the issuer would count else")
	}
	if len(out.tenants) == 0 {
		out.tenants = []string{event.DefaultTenant().String()}
	}
	checkNames(path+".tenants", i.Tenants, f)
	for n, p := range i.Tenants {
		prefix, wild := strings.CutSuffix(p, "*")
		if _, err := event.ParseTenant(prefix); err != nil && (!wild || prefix != "") {
			f.add(fmt.Sprintf("%s.tenants[%d]", path, n), "%s is neither a tenant's name nor a prefix and \"*\"", event.Quote(p))
		}
	}
	checkNames(path+".claims", []string{out.claims.User, out.claims.Session, out.claims.Tenant}, f)
	out.algorithms = i.parseAlgorithms(path+".algorithms", f)
	out.source = i.source(path, out.algorithms, read, f)
	return out
}

func checkNames(path string, names []string, f *faults) {
	if len(names) > maxNames {
		f.add(path, "there are %d, the most is %d", len(names), maxNames)
		return
	}
	for n, name := range names {
		if name == "" || len(name) > maxName {
			f.add(fmt.Sprintf("%s[%d]", path, n), "it has %d bytes, allowed are 1 to %d", len(name), maxName)
		}
	}
}

func (c Claims) orUsual() Claims {
	for _, name := range []struct {
		of    *string
		usual string
	}{{&c.User, "sub"}, {&c.Session, "sid"}, {&c.Tenant, "tenant"}} {
		if *name.of == "" {
			*name.of = name.usual
		}
	}
	return c
}

func (i Issuer) parseAlgorithms(path string, f *faults) []jose.SignatureAlgorithm {
	if len(i.Algorithms) == 0 {
		f.add(path, "name one at least, of %s", algorithmNames(allAlgorithms()))
	}
	var out []jose.SignatureAlgorithm
	for n, name := range i.Algorithms[:min(len(i.Algorithms), maxNames)] {
		alg := jose.SignatureAlgorithm(name)
		switch {
		case !slices.Contains(allAlgorithms(), alg):
			f.add(fmt.Sprintf("%s[%d]", path, n), "%s is not one of %s", event.Quote(name), algorithmNames(allAlgorithms()))
		case slices.Contains(out, alg):
			f.add(fmt.Sprintf("%s[%d]", path, n), "%s is named twice", name)
		default:
			out = append(out, alg)
		}
	}
	return out
}

// checkURL says what is wrong with the address of a key set.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("it is not a URL like https://login.example/.well-known/jwks.json")
	case u.User != nil:
		return errors.New("it has a user or password, which would stand in logs")
	case u.Fragment != "":
		return errors.New("it has a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Host)):
		return errors.New("it is not https, and whoever is on the way could put keys of their own in; http is for this machine only")
	}
	return nil
}

func (k Key) build(path string, read reader, f *faults) (key staticKey, known bool) {
	if k.Name == "" || len(k.Name) > 100 || strings.ContainsFunc(k.Name, func(r rune) bool { return !isNameChar(r) }) {
		f.add(path+".name", "%s is not 1 to 100 of A-Z, a-z, 0-9, -, _ and dots", event.Quote(k.Name))
	}
	key = staticKey{name: k.Name, tenant: event.DefaultTenant(), publish: All()}
	var err error
	if k.Tenant != "" {
		if key.tenant, err = event.ParseTenant(k.Tenant); err != nil {
			f.add(path+".tenant", "%v", err)
		}
	}
	if len(k.Publish) > 0 {
		if key.publish, err = ParseGrants(k.Publish); err != nil {
			f.add(path+".publish", "%v", err)
		}
	}
	setting, err := only(map[string]string{"key": string(k.Key), "key_file": k.KeyFile, "sha256": k.SHA256})
	if err != nil {
		f.add(path, "%v", err)
		return key, false
	}
	text, path := string(k.Key), path+"."+setting
	switch setting {
	case "sha256":
		digest, hexErr := hex.DecodeString(k.SHA256)
		if hexErr != nil || len(digest) != len(key.digest) {
			f.add(path, "it is not the 64 hexadecimal digits of a SHA-256")
			return key, false
		}
		copy(key.digest[:], digest)
		key.known = true
		return key, true
	case "key_file":
		if read == nil {
			return key, false
		}
		if text, err = read.text(k.KeyFile); err != nil {
			f.add(path, "%v", err)
			return key, false
		}
	}
	if len(text) < 32 || len(text) > 512 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		f.add(path, "a key has 32 to 512 visible ASCII characters; `openssl rand -hex 32` makes one")
		return key, false
	}
	key.digest, key.known = digestOf(text), true
	return key, true
}

func isNameChar(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r)
}

// only returns the name of the one value that is set.
func only(values map[string]string) (string, error) {
	var names, set []string
	for name, value := range values {
		names = append(names, name)
		if value != "" {
			set = append(set, name)
		}
	}
	if len(set) == 1 {
		return set[0], nil
	}
	slices.Sort(names)
	return "", fmt.Errorf("%d of %s are set; give exactly one", len(set), strings.Join(names, ", "))
}
