package auth

import (
	"maps"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// Refusal takes credentials back: those of a user or session, or a single token.
type Refusal struct {
	// Tenant is whose credentials are meant.
	Tenant event.Tenant
	// Target is the user or session; zero where TokenID is set.
	Target event.Target
	// TokenID is the token's, as a Principal has it; empty where Target is set.
	TokenID string
	// Before spares what was issued later, in whole seconds as tokens tell it: one of the same second is refused, and so
	// is one that does not say when it was issued. Zero spares none.
	Before time.Time
	// Until is when the refusal may be forgotten.
	Until time.Time
}

// Concerns reports whether a credential is refused. Where the refusal has a Target, it is the caller who knows that the
// credential is that user's or session's.
func (r Refusal) Concerns(tokenID string, issued time.Time) bool {
	switch r.Target.Kind() {
	case event.KindUser, event.KindSession:
	case event.KindTopic, event.KindAll:
		return false // nobody's credential
	default:
		if r.TokenID == "" || r.TokenID != tokenID {
			return false
		}
	}
	return r.Before.IsZero() || issued.IsZero() || issued.Unix() <= r.Before.Unix()
}

// Refusals are the refusals that a node knows of, in memory. They are safe for concurrent use; looking one up does not
// depend on how many there are.
type Refusals struct {
	now func() time.Time

	mu        sync.RWMutex
	bySubject map[subject]Refusal
	swept     time.Time
}

// subject is whom a refusal is about: a token of any issuer of the tenant, or a target.
type subject struct {
	tenant  event.Tenant
	target  event.Target
	tokenID string
}

// refusalSweep is how often expired refusals are looked for.
const refusalSweep = time.Minute

// NewRefusals returns Refusals that refuse nothing.
func NewRefusals() *Refusals {
	return &Refusals{now: time.Now, bySubject: make(map[subject]Refusal)}
}

// Add refuses what the rule says. It adds to what is refused of the same user, session or token: the later Before and the
// later Until count. It reports whether more is refused now than before. A rule that names none of them is dropped.
func (s *Refusals) Add(r Refusal) (more bool) {
	if k := r.Target.Kind(); k == event.KindTopic || k == event.KindAll || k == 0 && r.TokenID == "" {
		return false
	}
	by := subject{tenant: r.Tenant, target: r.Target}
	if r.Target.IsZero() {
		by.tokenID = r.TokenID
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) >= refusalSweep {
		s.swept = now
		maps.DeleteFunc(s.bySubject, func(_ subject, old Refusal) bool { return !now.Before(old.Until) })
	}
	if !now.Before(r.Until) {
		return false
	}
	old, known := s.bySubject[by]
	if known = known && now.Before(old.Until); known {
		if old.Before.IsZero() || !r.Before.IsZero() && old.Before.After(r.Before) { // zero spares none
			r.Before = old.Before
		}
		if old.Until.After(r.Until) {
			r.Until = old.Until
		}
	}
	s.bySubject[by] = r
	return !known || !r.Before.Equal(old.Before)
}

// Refused reports whether the principal's credential is refused. Nil Refusals refuse nothing.
func (s *Refusals) Refused(p Principal) bool {
	if s == nil {
		return false
	}
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.bySubject) == 0 {
		return false
	}
	for _, by := range []subject{
		{tenant: p.Tenant, tokenID: p.TokenID}, {tenant: p.Tenant, target: p.User}, {tenant: p.Tenant, target: p.Session},
	} {
		if r, known := s.bySubject[by]; known && now.Before(r.Until) && r.Concerns(p.TokenID, p.Issued) {
			return true
		}
	}
	return false
}

// Len returns how many refusals are kept.
func (s *Refusals) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.bySubject)
}
