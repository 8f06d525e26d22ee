package auth

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// MaxPatterns is the most patterns of one list of grants.
	MaxPatterns = 100
	// MaxPattern is the most bytes of a pattern.
	MaxPattern = 210
)

// Grants is a list of patterns of targets: a target, "KIND:PREFIX*", or "*" for all targets. The zero Grants grants nothing.
type Grants struct {
	patterns []string
}

// All returns the Grants of everything.
func All() Grants { return Grants{patterns: []string{"*"}} }

// ParseGrants reads patterns. The error wraps event.ErrInvalid.
func ParseGrants(patterns []string) (Grants, error) {
	if len(patterns) > MaxPatterns {
		return Grants{}, fmt.Errorf("%w grants: there are %d patterns, the most is %d", event.ErrInvalid, len(patterns), MaxPatterns)
	}
	for _, p := range patterns {
		if err := checkPattern(p); err != nil {
			return Grants{}, err
		}
	}
	return Grants{patterns: slices.Clone(patterns)}, nil
}

func checkPattern(p string) error {
	if len(p) > MaxPattern {
		return fmt.Errorf("%w pattern: it has %d bytes, the most is %d", event.ErrInvalid, len(p), MaxPattern)
	}
	prefix, wild := strings.CutSuffix(p, "*")
	if !wild {
		_, err := event.ParseTarget(p)
		return err
	}
	if prefix == "" {
		return nil
	}
	if !strings.Contains(prefix, ":") {
		// "a*" would grant all, and nobody who writes it means that.
		return fmt.Errorf("%w pattern: %s is neither a target nor \"*\", user:PREFIX*, session:PREFIX* or topic:PREFIX*", event.ErrInvalid, event.Quote(p))
	}
	if !utf8.ValidString(prefix) {
		return fmt.Errorf("%w pattern: it is not UTF-8", event.ErrInvalid)
	}
	if strings.HasSuffix(prefix, ":") {
		prefix += "x" // the empty prefix is allowed, the empty id is not
	}
	_, err := event.ParseTarget(prefix)
	return err
}

// Allow reports whether a pattern has the target.
func (g Grants) Allow(t event.Target) bool {
	if t.IsZero() || len(g.patterns) == 0 {
		return false
	}
	name := t.String()
	for _, p := range g.patterns {
		if prefix, wild := strings.CutSuffix(p, "*"); name == p || wild && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// IsZero reports whether nothing is granted.
func (g Grants) IsZero() bool { return len(g.patterns) == 0 }

// Patterns returns the patterns, which ParseGrants reads.
func (g Grants) Patterns() []string { return slices.Clone(g.patterns) }

// String returns the patterns with commas between them, for logs.
func (g Grants) String() string { return strings.Join(g.patterns, ", ") }
