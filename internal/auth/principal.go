package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Principal is who a request speaks for.
type Principal struct {
	// Tenant is whose events it may see and publish.
	Tenant event.Tenant
	// User is its own user target; zero for none.
	User event.Target
	// Session is its own session target; zero for none.
	Session event.Target
	// Subscribe has the topics that it may read. What else matches in it is of no consequence: see MayRead.
	Subscribe Grants
	// Publish has the targets that it may publish to.
	Publish Grants
	// Issuer is who issued the credential; empty for keys and in development mode.
	Issuer string
	// TokenID is the token's jti, or a digest of a token that has none; empty for keys and in development mode.
	TokenID string
	// Issued is when the token was issued; zero where that is not said.
	Issued time.Time
	// Expires is when the credential stops to count: the token's exp, and the clock skew on top. Zero for never.
	Expires time.Time
	// Key is the name of the publisher's key; empty for none.
	Key string
}

// MayRead reports whether the principal may read a target: its own ones, and the topics that Subscribe grants. Targets of
// other users and sessions it may not, whatever Subscribe has.
func (p Principal) MayRead(t event.Target) bool {
	switch t.Kind() {
	case event.KindAll:
		return true
	case event.KindUser:
		return t == p.User
	case event.KindSession:
		return t == p.Session
	case event.KindTopic:
		return p.Subscribe.Allow(t)
	default:
		return false
	}
}

// MayPublish reports whether the principal may publish to a target.
func (p Principal) MayPublish(t event.Target) bool { return p.Publish.Allow(t) }

// Own returns the targets that the principal reads without asking: all, its user and its session.
func (p Principal) Own() []event.Target {
	own := []event.Target{event.All()}
	for _, t := range []event.Target{p.User, p.Session} {
		if !t.IsZero() {
			own = append(own, t)
		}
	}
	return own
}

// Identity returns an opaque digest of the principal, for clients that keep cursors for several people apart.
func (p Principal) Identity() string {
	text := make([]byte, 0, 128)
	for _, part := range []string{p.Tenant.String(), p.User.ID(), p.Session.ID()} {
		// Lengths go first, so that no two principals have the same digest by how their names are put together.
		text = binary.BigEndian.AppendUint32(text, uint32(len(part))) //nolint:gosec // names are short
		text = append(text, part...)
	}
	digest := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(digest[:12])
}
