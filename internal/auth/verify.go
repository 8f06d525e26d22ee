package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pushstream/pushstream/pkg/event"
)

// MaxToken is the most bytes of a token. Longer ones are refused unread.
const MaxToken = 8 << 10

// issuer is somebody whose tokens count.
type issuer struct {
	name       string
	audiences  []string
	algorithms []jose.SignatureAlgorithm
	claims     Claims
	tenants    []string
	source     source
}

// source is where the keys of an issuer come from.
type source interface {
	// find returns the key that a token has to be signed with. tried is one that it is not signed with, which a newer key
	// may have taken the place of; nil for none. The error wraps ErrInvalidToken or ErrKeysUnavailable.
	find(ctx context.Context, h header, tried *key) (*key, error)
}

// key verifies tokens.
type key struct {
	material any
	id       string                  // empty for none
	alg      jose.SignatureAlgorithm // the only one it is for; empty for all that fit
}

// fixed is a key that does not change.
type fixed struct{ key *key }

func (f fixed) find(_ context.Context, _ header, tried *key) (*key, error) {
	if tried != nil {
		return nil, errSignature()
	}
	return f.key, nil
}

// header is what a token says of its signature.
type header struct {
	alg   jose.SignatureAlgorithm
	keyID string
}

func errSignature() error {
	return invalidf("the signature is not that of its issuer's key")
}

// Verify returns who a token speaks for. It does not look at refusals. The error wraps ErrInvalidToken, ErrExpired,
// ErrForbidden where the issuer may not speak for the tenant, or ErrKeysUnavailable.
func (t *Tokens) Verify(ctx context.Context, token string) (Principal, error) {
	parsed, h, err := parse(token)
	if err != nil {
		return Principal{}, err
	}
	// What it says of itself decides only which of the configured issuers it has to be signed by.
	unverified := claims{}
	if err = parsed.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return Principal{}, errClaims()
	}
	name, err := unverified.text("iss")
	if err != nil {
		return Principal{}, err
	}
	i, known := t.issuers[name]
	if !known {
		return Principal{}, invalidf("its issuer %s is not configured", event.Quote(name))
	}
	if !slices.Contains(i.algorithms, h.alg) {
		return Principal{}, invalidf("it is signed with %s, issuer %s allows %s", h.alg, event.Quote(name), algorithmNames(i.algorithms))
	}
	verified, err := i.verify(ctx, parsed, h)
	if err != nil {
		return Principal{}, err
	}
	p, err := i.principal(verified, t.now(), t.skew)
	if err != nil {
		return Principal{}, err
	}
	if p.TokenID == "" {
		p.TokenID = digestOfToken(token)
	}
	return p, nil
}

// parse reads the form of a token and its header. The library's errors may quote the token, so that they are not passed on.
func parse(token string) (*jwt.JSONWebToken, header, error) {
	if len(token) > MaxToken {
		return nil, header{}, invalidf("it has %d bytes, the most is %d", len(token), MaxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, header{}, invalidf("it is not a JWT of three parts, nor a key that is known")
	}
	for _, part := range parts {
		// The library reads over line breaks and stray bits, which would give one token many spellings.
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(raw) == 0 || strings.ContainsAny(part, "\r\n") {
			return nil, header{}, invalidf("it is not a signed JWT: its parts are not base64url")
		}
	}
	parsed, err := jwt.ParseSigned(token, allAlgorithms())
	if unexpected, wrong := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); wrong {
		return nil, header{}, invalidf("its algorithm %s is not one of %s", event.Quote(string(unexpected.Got)), algorithmNames(allAlgorithms()))
	}
	if err != nil || len(parsed.Headers) != 1 {
		return nil, header{}, invalidf("its header cannot be read")
	}
	h := parsed.Headers[0]
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, has := h.ExtraHeaders[name]; has {
			return nil, header{}, invalidf("its header has %s, which is not supported", name)
		}
	}
	return parsed, header{alg: jose.SignatureAlgorithm(h.Algorithm), keyID: h.KeyID}, nil
}

// verify returns the claims of a token that the issuer has signed.
func (i *issuer) verify(ctx context.Context, token *jwt.JSONWebToken, h header) (claims, error) {
	var tried *key
	for range 2 {
		k, err := i.source.find(ctx, h, tried)
		if err != nil {
			return nil, err
		}
		found := claims{}
		err = token.Claims(k.material, &found)
		switch {
		case err == nil:
			return found, nil
		case !errors.Is(err, jose.ErrCryptoFailure):
			return nil, errClaims()
		case k.id != "" && k.id == h.keyID:
			return nil, errSignature()
		}
		tried = k // it was taken because there is no other one: the issuer may have replaced it
	}
	return nil, errSignature()
}

// principal returns who verified claims speak for.
func (i *issuer) principal(c claims, now time.Time, skew time.Duration) (p Principal, err error) {
	if err = i.checkAudience(c); err != nil {
		return Principal{}, err
	}
	p.Issuer = i.name
	if p.Expires, p.Issued, err = c.checkTimes(now, skew); err != nil {
		return Principal{}, err
	}
	if p.TokenID, err = c.optional("jti"); err != nil {
		return Principal{}, err
	}
	if len(p.TokenID) > MaxTokenID {
		return Principal{}, invalidf("its jti has %d bytes, the most is %d", len(p.TokenID), MaxTokenID)
	}
	if p.Tenant, err = i.tenantOf(c); err != nil {
		return Principal{}, err
	}
	for _, who := range []struct {
		claim string
		parse func(string) (event.Target, error)
		into  *event.Target
	}{{i.claims.User, event.User, &p.User}, {i.claims.Session, event.Session, &p.Session}} {
		if _, has := c[who.claim]; !has {
			continue
		}
		id, textErr := c.text(who.claim)
		if textErr != nil {
			return Principal{}, textErr
		}
		if *who.into, err = who.parse(id); err != nil {
			return Principal{}, invalidf("claim %s: %v", event.Quote(who.claim), err)
		}
	}
	p.Subscribe, p.Publish, err = c.grants()
	return p, err
}

// MaxTokenID is the most bytes of a jti: it is kept as long as its stream lasts.
const MaxTokenID = 200

func (i *issuer) checkAudience(c claims) error {
	audiences, err := c.audiences()
	if err != nil {
		return err
	}
	for _, a := range audiences {
		if slices.Contains(i.audiences, a) {
			return nil
		}
	}
	return invalidf("its audience (aud) is not one that issuer %s is configured with", event.Quote(i.name))
}

func (i *issuer) tenantOf(c claims) (event.Tenant, error) {
	tenant := event.DefaultTenant()
	if _, has := c[i.claims.Tenant]; has {
		name, err := c.text(i.claims.Tenant)
		if err != nil {
			return event.Tenant{}, err
		}
		if tenant, err = event.ParseTenant(name); err != nil {
			return event.Tenant{}, invalidf("claim %s: %v", event.Quote(i.claims.Tenant), err)
		}
	}
	for _, p := range i.tenants {
		if prefix, wild := strings.CutSuffix(p, "*"); p == tenant.String() || wild && strings.HasPrefix(tenant.String(), prefix) {
			return tenant, nil
		}
	}
	return event.Tenant{}, forbiddenTenant(i.name, tenant)
}

// digestOfToken names a token that has no jti. The signature is left out: of some algorithms anybody can make a second one
// of the first.
func digestOfToken(token string) string {
	digest := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(digest[:])
}
