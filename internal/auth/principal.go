package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

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
}

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
	h := sha256.New()
	for _, part := range []string{p.Tenant.String(), p.User.ID(), p.Session.ID()} {
		// Lengths go first, so that no two principals have the same digest by how their names are put together.
		_ = binary.Write(h, binary.BigEndian, uint32(len(part))) //nolint:gosec,errcheck // names are short; a hash takes every write
		_, _ = h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}
