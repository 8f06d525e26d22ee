package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// maxTargets is the most targets of one event.
const maxTargets = 100

const eventIsExpected = "an event is {\"target\", \"type\", \"data\"}"

// publication is an event as it is sent to us. What is absent, or null where that says nothing, is zero.
type publication struct {
	target, targets, kind, data, key, meta, liveOnly event.Document
}

// publicationOf takes an event apart. Members that do not exist, and those that are there twice, are errors.
func publicationOf(document event.Document) (in publication, err error) {
	fields, err := document.Fields("target", "targets", "type", "data", "key", "meta", "live_only")
	if err != nil {
		return in, invalid("%v; %s", err, eventIsExpected)
	}
	const data = 3
	for i := range fields {
		if i != data && fields[i].IsNull() {
			fields[i] = event.Document{}
		}
	}
	return publication{
		target: fields[0], targets: fields[1], kind: fields[2], data: fields[data], key: fields[4], meta: fields[5], liveOnly: fields[6],
	}, nil
}

// decodePublication reads one event that the principal may publish. single says that it named its target, not a list.
func decodePublication(document event.Document, principal auth.Principal) (p backplane.Publication, single bool, err error) {
	in, err := publicationOf(document)
	if err != nil {
		return p, false, err
	}
	p.Tenant = principal.Tenant
	if p.Key, err = textOf("key", in.key); err != nil {
		return p, false, err
	}
	if p.LiveOnly, err = boolOf("live_only", in.liveOnly); err != nil {
		return p, false, err
	}
	if p.Targets, err = in.destinations(principal); err != nil {
		return p, false, err
	}
	p.Event, err = in.event()
	return p, in.targets.IsZero(), err
}

// destinations returns whom an event is for.
func (in *publication) destinations(principal auth.Principal) ([]event.Target, error) {
	const missing = "target is missing: user:ID, session:ID, topic:NAME or all"
	switch {
	case in.target.IsZero() && in.targets.IsZero():
		return nil, invalid(missing)
	case in.targets.IsZero():
		t, err := targetOf("target", in.target, principal)
		return []event.Target{t}, err
	case !in.target.IsZero():
		return nil, invalid("both target and targets are given; give one of them")
	case in.targets.Kind() != "array":
		return nil, invalid("targets is a JSON %s; %s", in.targets.Kind(), eventIsExpected)
	}
	named, count := firstOf(in.targets.Elements(), maxTargets)
	switch {
	case count == 0:
		return nil, invalid(missing)
	case count > len(named):
		return nil, invalid("the event has %d targets, the most is %d", count, maxTargets)
	}
	targets := make([]event.Target, count)
	for i, name := range named {
		var err error
		if targets[i], err = targetOf("targets", name, principal); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

// firstOf returns the first documents, at most so many, and how many there are.
func firstOf(all iter.Seq[event.Document], most int) (first []event.Document, count int) {
	for d := range all {
		if count < most {
			first = append(first, d)
		}
		count++
	}
	return first, count
}

func targetOf(member string, d event.Document, principal auth.Principal) (event.Target, error) {
	name, err := textOf(member, d)
	if err != nil {
		return event.Target{}, err
	}
	t, err := event.ParseTarget(name)
	if err == nil && !principal.MayPublish(t) {
		err = fmt.Errorf("%w: the credential does not grant publishing to %s", auth.ErrForbidden, event.Quote(name))
	}
	return t, err
}

func (in *publication) event() (e event.Event, err error) {
	name, err := textOf("type", in.kind)
	if err != nil {
		return e, err
	}
	if e.Type, err = event.ParseType(name); err != nil {
		return e, err
	}
	if in.data.IsZero() {
		return e, invalid("data is missing; an event without data has null")
	}
	e.Data = in.data.JSON()
	if !in.meta.IsZero() {
		if in.meta.Kind() != "object" {
			return e, invalid("meta is a JSON %s, not an object", in.meta.Kind())
		}
		e.Meta = in.meta.JSON()
	}
	return e, nil
}

// textOf returns the text of a member that has to be a string, empty where it is absent.
func textOf(member string, d event.Document) (string, error) {
	text, isString := d.Unquote()
	switch {
	case !isString && !d.IsZero():
		return "", invalid("%s is a JSON %s; %s", member, d.Kind(), eventIsExpected)
	case noCharacter(text):
		return "", invalid("%s: %s", member, noCharacterIsTold)
	}
	return text, nil
}

func boolOf(member string, d event.Document) (bool, error) {
	if !d.IsZero() && d.Kind() != "bool" {
		return false, invalid("%s is a JSON %s; %s", member, d.Kind(), eventIsExpected)
	}
	return d.IsTrue(), nil
}

// noCharacter reports whether a text may have had in it what is no character, like an escaped half of a surrogate pair.
// Decoding puts one and the same character for each: two names would become one.
func noCharacter(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

const noCharacterIsTold = "it has what is no character, or U+FFFD, which stands for that"

// linesOf returns the first lines that are not empty, at most so many, and how many there are.
func linesOf(text []byte, most int) (first [][]byte, count int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if count < most {
			first = append(first, line)
		}
		count++
	}
	return first, count
}

// answerTo says, as JSON, what became of an event that was taken.
func answerTo(p backplane.Publication, single bool, result backplane.Result) ([]byte, error) {
	switch {
	case p.LiveOnly:
		return []byte(`{"live":true}`), nil
	case single:
		return []byte(`{"id":"` + result.Positions[0].String() + `"}`), nil // an id needs no escape
	}
	ids := make(map[string]string, len(p.Targets))
	for i, t := range p.Targets {
		ids[t.String()] = result.Positions[i].String()
	}
	answer, err := json.Marshal(map[string]map[string]string{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("encode ids: %w", err)
	}
	return answer, nil
}
