package auth

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pushstream/pushstream/pkg/event"
)

// MintClaims is what a token of ours says.
type MintClaims struct {
	// User and Session are the reader's ids; empty for none.
	User    string
	Session string
	// Subscribe and Publish are patterns of what is granted; empty for nothing.
	Subscribe []string
	Publish   []string
	// Age is how long the token counts from now on, 1s or more.
	Age time.Duration
}

// Mint returns a token that nodes take which have the same Config.Secret. An error that wraps event.ErrInvalid is about the
// claims.
func Mint(secret string, c MintClaims) (string, error) {
	material, err := parseSecret(secret)
	if err != nil {
		return "", fmt.Errorf("mint token: secret: %w", err)
	}
	if err = c.check(); err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: material}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	now := time.Now()
	granted := map[string][]string{}
	if len(c.Subscribe) > 0 {
		granted["subscribe"] = c.Subscribe
	}
	if len(c.Publish) > 0 {
		granted["publish"] = c.Publish
	}
	own := struct {
		jwt.Claims

		Session string              `json:"sid,omitempty"`
		Granted map[string][]string `json:"pushstream,omitempty"`
	}{
		Claims: jwt.Claims{
			Issuer: simpleName, Audience: jwt.Audience{simpleName}, Subject: c.User, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(c.Age)),
		},
		Session: c.Session, Granted: granted,
	}
	token, err := jwt.Signed(signer).Claims(own).Serialize()
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	if len(token) > MaxToken {
		return "", fmt.Errorf("mint token: %w grants: the token has %d bytes, the most is %d", event.ErrInvalid, len(token), MaxToken)
	}
	return token, nil
}

// check says what would make nodes refuse the token.
func (c MintClaims) check() error {
	if c.User != "" {
		if _, err := event.User(c.User); err != nil {
			return err
		}
	}
	if c.Session != "" {
		if _, err := event.Session(c.Session); err != nil {
			return err
		}
	}
	if _, err := ParseGrants(c.Subscribe); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := ParseGrants(c.Publish); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	const most = 100 * 365 * 24 * time.Hour
	if c.Age < time.Second || c.Age > most {
		return fmt.Errorf("%w age: %v is not 1s to %v", event.ErrInvalid, c.Age, most)
	}
	return nil
}
