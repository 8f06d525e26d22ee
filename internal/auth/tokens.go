package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// Tokens says who a request speaks for by its credential: a token of one of the configured issuers, in a header or in a
// cookie, a ticket got with one, or a publisher's key.
type Tokens struct {
	issuers  map[string]*issuer
	keys     []staticKey
	cookie   string
	origins  []string
	skew     time.Duration
	tickets  tickets
	refusals *Refusals
	now      func() time.Time
}

// New returns the authenticator of a configuration. It reads the files that this names, and starts nothing; keys that have
// to be fetched are fetched when they are needed. The error lists all faults.
func New(cfg Config, store backplane.Tickets, log *slog.Logger) (*Tokens, error) {
	b, err := cfg.build(readFile)
	if err != nil {
		return nil, err
	}
	t := &Tokens{
		issuers: b.issuers, keys: b.keys, cookie: cfg.Cookie, origins: slices.Clone(cfg.Origins), skew: cfg.ClockSkew,
		tickets: tickets{store}, refusals: NewRefusals(), now: time.Now,
	}
	for _, i := range b.issuers {
		if set, fetched := i.source.(*keySet); fetched {
			set.log = log
		}
	}
	return t, nil
}

// Close waits for what goes on in the background: a key set that is being fetched, which takes some seconds at most. After it
// none is fetched any more.
func (t *Tokens) Close() {
	for _, i := range t.issuers {
		if set, fetched := i.source.(*keySet); fetched {
			set.fetches.Wait()
		}
	}
}

// Reader returns who reads: by the Authorization header, else by a ticket, else by the cookie. A ticket is used up, except
// by HEAD. The error wraps one of this package's, or backplane.ErrUnavailable where the ticket could not be looked up.
func (t *Tokens) Reader(r *http.Request) (Principal, error) {
	_, given, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	if given || !hasTicket(r) {
		return t.TicketHolder(r)
	}
	p, err := t.tickets.redeem(r)
	if err != nil {
		return Principal{}, err
	}
	if _, known := t.issuers[p.Issuer]; !known {
		// Of a node that is configured otherwise: in development mode, perhaps, where anybody gets a ticket for everything.
		return Principal{}, fmt.Errorf("%w: it is of an issuer that does not count here", ErrTicket)
	}
	if !t.now().Before(p.Expires) {
		return Principal{}, fmt.Errorf("%w since the ticket was given", ErrExpired)
	}
	return t.unlessRefused(p)
}

// TicketHolder returns who may have a ticket: the holder of a token, in the Authorization header or else in the cookie.
func (t *Tokens) TicketHolder(r *http.Request) (Principal, error) {
	token, given, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	if !given {
		if token, err = t.fromCookie(r); err != nil {
			return Principal{}, err
		}
	} else if k, publishes := find(t.keys, token); publishes {
		return Principal{}, fmt.Errorf("%w: this is the publisher's key %s, and readers need a token", ErrForbidden, k.name)
	}
	p, err := t.Verify(r.Context(), token)
	if err != nil {
		return Principal{}, err
	}
	return t.unlessRefused(p)
}

// Publisher returns who publishes: by the Authorization header, which has a publisher's key, or a token that grants
// publishing. Cookies and tickets do not count: a page of somebody else's may make a browser send them.
func (t *Tokens) Publisher(r *http.Request) (Principal, error) {
	token, given, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	if !given {
		return Principal{}, fmt.Errorf("%w: send a publisher's key or a token as Authorization: Bearer", ErrNoToken)
	}
	if k, publishes := find(t.keys, token); publishes {
		return Principal{Tenant: k.tenant, Publish: k.publish, Key: k.name}, nil
	}
	p, err := t.Verify(r.Context(), token)
	if err != nil {
		return Principal{}, err
	}
	if p.Publish.IsZero() {
		return Principal{}, fmt.Errorf("%w: the token grants no publishing (pushstream.publish)", ErrForbidden)
	}
	return t.unlessRefused(p)
}

func (t *Tokens) unlessRefused(p Principal) (Principal, error) {
	if t.Refused(p) {
		return Principal{}, fmt.Errorf("%w: it has been taken back; log in again", ErrRefused)
	}
	return p, nil
}

// Ticket puts a ticket for a principal, good once within age. It ends with the principal's own time at the latest.
func (t *Tokens) Ticket(ctx context.Context, p Principal) (id string, age time.Duration, err error) {
	return t.tickets.put(ctx, p, t.now())
}

// Refuse takes credentials back.
func (t *Tokens) Refuse(rule Refusal) { t.refusals.Add(rule) }

// Refused reports whether the principal's credential has been taken back.
func (t *Tokens) Refused(p Principal) bool { return t.refusals.Refused(p) }

// Refusals returns what is refused.
func (t *Tokens) Refusals() *Refusals { return t.refusals }

// AllowsOrigin reports whether scripts of a web origin may read answers: where it is exactly one of the configured ones.
func (t *Tokens) AllowsOrigin(origin string) bool { return slices.Contains(t.origins, origin) }

// Credentials reports whether scripts may send cookies along.
func (t *Tokens) Credentials() bool { return t.cookie != "" }

// bearer returns the credential of the Authorization header, if there is one.
func bearer(r *http.Request) (token string, given bool, err error) {
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", true, invalidf("there are %d Authorization headers; send one", len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if strings.EqualFold(scheme, "Basic") {
		return "", false, nil // browsers add it by themselves behind a proxy that asks for a password, to our cookie and ticket
	}
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", true, invalidf("the Authorization header is not \"Bearer TOKEN\"")
	}
	return token, true, nil
}

// fromCookie returns the token of the cookie. Browsers send cookies along for any page that asks them to, so the page has
// to be one that is trusted.
func (t *Tokens) fromCookie(r *http.Request) (string, error) {
	const send = "send one as Authorization: Bearer TOKEN"
	if t.cookie == "" {
		return "", fmt.Errorf("%w: %s", ErrNoToken, send)
	}
	cookies := r.CookiesNamed(t.cookie)
	if len(cookies) == 0 || len(cookies) == 1 && cookies[0].Value == "" { // a cookie that was emptied means logged out
		return "", fmt.Errorf("%w: %s, or in the cookie %s", ErrNoToken, send, t.cookie)
	}
	if err := t.checkPage(r); err != nil {
		return "", err
	}
	if len(cookies) > 1 { // a sibling domain may have set one of them
		return "", invalidf("there are %d cookies %s; one has to go", len(cookies), t.cookie)
	}
	return cookies[0].Value, nil
}

// checkPage refuses cookies from pages of foreign origins.
func (t *Tokens) checkPage(r *http.Request) error {
	origins := r.Header.Values("Origin")
	// The browser's own word (Fetch Metadata), which no page can set.
	site := ""
	if said := r.Header.Values("Sec-Fetch-Site"); len(said) == 1 {
		site = said[0]
	}
	if len(origins) == 0 {
		// An EventSource of the same origin sends none. Who calls across origins without saying so is told by the browser.
		if site == "same-origin" || site == "none" {
			return nil
		}
		return fmt.Errorf("%w: nothing says which page sends the cookie; pages of other origins have to use CORS (withCredentials) and be named in cors.origins", ErrOrigin)
	}
	if len(origins) == 1 && (t.AllowsOrigin(origins[0]) || isOwn(origins[0], site, r)) {
		return nil
	}
	return fmt.Errorf("%w: the cookie comes from a page of %s; name that in cors.origins", ErrOrigin, quoteAll(origins))
}

// isOwn reports whether an origin is that of the request. Behind a proxy that has the TLS, only the browser knows.
func isOwn(origin, site string, r *http.Request) bool {
	if r.TLS == nil && origin == "http://"+r.Host {
		return true
	}
	return origin == "https://"+r.Host && (r.TLS != nil || site == "same-origin")
}
