package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTargetID is the most bytes that the id of a target may have.
const MaxTargetID = 200

// Kind tells what a target's id is the id of.
type Kind uint8

// The kinds of targets. The zero Kind belongs to no valid target.
const (
	KindUser Kind = iota + 1
	KindSession
	KindTopic
	KindAll
)

// String returns the word that stands before the colon of a target: user, session, topic or all.
func (k Kind) String() string {
	switch k {
	case KindUser:
		return "user"
	case KindSession:
		return "session"
	case KindTopic:
		return "topic"
	case KindAll:
		return "all"
	default:
		return "unknown"
	}
}

// Target says whom an event is for: user:ID, session:ID, topic:NAME, or all. A target is always meant inside one tenant;
// it never names one. Targets are comparable.
type Target struct {
	kind Kind
	id   string
}

// ParseTarget reads "all" or "kind:id". An id has 1 to MaxTargetID bytes of UTF-8 without control characters, spaces,
// braces or "*". The error wraps ErrInvalid.
func ParseTarget(s string) (Target, error) {
	if s == "all" {
		return All(), nil
	}
	kind, id, found := strings.Cut(s, ":")
	if !found {
		return Target{}, invalidf("target", "%s is neither \"all\" nor user:ID, session:ID or topic:NAME", Quote(s))
	}
	switch kind {
	case "user":
		return User(id)
	case "session":
		return Session(id)
	case "topic":
		return Topic(id)
	default:
		return Target{}, invalidf("target", "kind %s is not user, session, topic or all", Quote(kind))
	}
}

// User returns the target of all connections of one user. The error wraps ErrInvalid.
func User(id string) (Target, error) { return newTarget(KindUser, id) }

// Session returns the target of all connections of one session. The error wraps ErrInvalid.
func Session(id string) (Target, error) { return newTarget(KindSession, id) }

// Topic returns the target of all connections that asked for a topic. The error wraps ErrInvalid.
func Topic(name string) (Target, error) { return newTarget(KindTopic, name) }

// All returns the target of every connection of the tenant.
func All() Target { return Target{kind: KindAll} }

func newTarget(kind Kind, id string) (Target, error) {
	switch {
	case id == "":
		return Target{}, invalidf("target", "%s: the id is empty", kind)
	case len(id) > MaxTargetID:
		return Target{}, invalidf("target", "%s: the id has %d bytes, the most is %d", kind, len(id), MaxTargetID)
	case !utf8.ValidString(id):
		return Target{}, invalidf("target", "%s: the id is not UTF-8", kind)
	}
	for _, r := range id {
		if unicode.IsControl(r) || unicode.IsSpace(r) || r == '{' || r == '}' || r == '*' {
			return Target{}, invalidf("target", "%s: the id has the character %U; control characters, spaces, braces and \"*\" are not allowed", kind, r)
		}
	}
	return Target{kind: kind, id: id}, nil
}

// Kind returns the target's kind, zero for the zero Target.
func (t Target) Kind() Kind { return t.kind }

// ID returns what follows the colon; it is empty for all.
func (t Target) ID() string { return t.id }

// IsZero reports whether t is the zero Target, which names nobody.
func (t Target) IsZero() bool { return t.kind == 0 }

// String returns the form that ParseTarget reads.
func (t Target) String() string {
	if t.kind == KindAll {
		return "all"
	}
	return t.kind.String() + ":" + t.id
}

// Quote returns foreign text in a form that is fit for an error message or a log: quoted, escaped, cut after 64 bytes.
func Quote(s string) string {
	const most = 64
	if len(s) <= most {
		return fmt.Sprintf("%+q", s)
	}
	return fmt.Sprintf("%+q (cut)", s[:most])
}
