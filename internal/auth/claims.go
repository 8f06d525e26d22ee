package auth

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	// Unlike encoding/json, it refuses what is said twice, and tells upper from lower case.
	"github.com/go-jose/go-jose/v4/json"

	"github.com/pushstream/pushstream/pkg/event"
)

// claims are what a token says, by name.
type claims map[string]json.RawMessage

func errClaims() error {
	return invalidf("its claims are not a JSON object that says each thing once")
}

// text returns a claim that has to be there.
func (c claims) text(name string) (string, error) {
	raw, has := c[name]
	if !has {
		return "", invalidf("claim %s is missing", event.Quote(name))
	}
	return textOf(name, raw)
}

// optional returns a claim, empty where there is none.
func (c claims) optional(name string) (string, error) {
	raw, has := c[name]
	if !has {
		return "", nil
	}
	return textOf(name, raw)
}

func textOf(name string, raw []byte) (string, error) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", invalidf("claim %s is not a text", event.Quote(name))
	}
	// Decoding puts one and the same character for all that is no character: two people could become one.
	if !utf8.Valid(raw) || strings.ContainsRune(s, utf8.RuneError) {
		return "", invalidf("claim %s is not UTF-8", event.Quote(name))
	}
	return s, nil
}

// audiences returns the claim aud, which is a text or a list of them (RFC 7519, section 4.1.3).
func (c claims) audiences() ([]string, error) {
	raw, has := c["aud"]
	if !has {
		return nil, invalidf("claim \"aud\" is missing")
	}
	if raw[0] == '"' {
		one, err := textOf("aud", raw)
		return []string{one}, err
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil || len(items) > maxNames {
		return nil, invalidf("claim \"aud\" is neither a text nor a list of at most %d", maxNames)
	}
	list := make([]string, len(items))
	for i, item := range items {
		var err error
		if list[i], err = textOf("aud", item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// mostDate is the last second that a token may speak of, in the year 6325: whoever counts milliseconds is beyond it.
const mostDate = 1 << 37

// date returns a NumericDate (RFC 7519, section 2).
func (c claims) date(name string) (t time.Time, has bool, err error) {
	raw, has := c[name]
	if !has {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || raw[0] == '"' {
		return time.Time{}, true, invalidf("claim %s is not a number of seconds", event.Quote(name))
	}
	if !(seconds >= 0 && seconds <= mostDate) {
		return time.Time{}, true, invalidf("claim %s is not a number of seconds since 1970 (is it in milliseconds?)", event.Quote(name))
	}
	whole, rest := math.Modf(seconds)
	return time.Unix(int64(whole), int64(rest*1e9)).UTC(), true, nil
}

// checkTimes returns when the token stops to count and when it was issued, zero where that is not said.
func (c claims) checkTimes(now time.Time, skew time.Duration) (expires, issued time.Time, err error) {
	expires, has, err := c.date("exp")
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	if !has {
		return time.Time{}, time.Time{}, invalidf("claim \"exp\" is missing")
	}
	for _, name := range []string{"nbf", "iat"} {
		from, said, dateErr := c.date(name)
		if dateErr != nil {
			return time.Time{}, time.Time{}, dateErr
		}
		if said && from.After(now.Add(skew)) {
			return time.Time{}, time.Time{}, invalidf("claim %q is in the future: by the clock of this node, the token does not count yet", name)
		}
		issued = from // iat is the last one
	}
	// Until then it is taken, and as long a stream may last: a reader who was sent away before would come back with it at once.
	expires = expires.Add(skew)
	if !now.Before(expires) {
		return time.Time{}, time.Time{}, fmt.Errorf("%w at %s; get a new one", ErrExpired, expires.Add(-skew).Format(time.RFC3339))
	}
	return expires, issued, nil
}

// grants returns what the claim pushstream grants.
func (c claims) grants() (subscribe, publish Grants, err error) {
	raw, has := c["pushstream"]
	if !has {
		return Grants{}, Grants{}, nil
	}
	own := claims{}
	if raw[0] != '{' || json.Unmarshal(raw, &own) != nil {
		return Grants{}, Grants{}, invalidf("claim \"pushstream\" is not an object that says each thing once")
	}
	if subscribe, err = own.patterns("subscribe"); err != nil {
		return Grants{}, Grants{}, err
	}
	publish, err = own.patterns("publish")
	return subscribe, publish, err
}

func (c claims) patterns(name string) (Grants, error) {
	raw, has := c[name]
	if !has {
		return Grants{}, nil
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return Grants{}, invalidf("claim pushstream.%s is not a list", name)
	}
	if len(items) > MaxPatterns {
		return Grants{}, invalidf("claim pushstream.%s has %d patterns, the most is %d", name, len(items), MaxPatterns)
	}
	list := make([]string, len(items))
	for i, item := range items {
		var err error
		if list[i], err = textOf("pushstream."+name, item); err != nil {
			return Grants{}, err
		}
	}
	g, err := ParseGrants(list)
	if err != nil {
		return Grants{}, invalidf("claim pushstream.%s: %v", name, err)
	}
	return g, nil
}

func forbiddenTenant(issuer string, tenant event.Tenant) error {
	return fmt.Errorf("%w: issuer %s may not speak for tenant %s", ErrForbidden, event.Quote(issuer), event.Quote(tenant.String()))
}

func quoteAll(texts []string) string {
	quoted := make([]string, 0, len(texts))
	for _, t := range texts[:min(len(texts), 3)] {
		quoted = append(quoted, event.Quote(t))
	}
	return strings.Join(quoted, ", ")
}
