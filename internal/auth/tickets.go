package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// TicketAge is how long a ticket is good at most, and so takes memory.
	TicketAge = 30 * time.Second
	// ticketSize is how many characters a ticket has, those of rand.Text: 130 random bits.
	ticketSize = 26
	// ticketParameter is the parameter that carries a ticket.
	ticketParameter = "ticket"
)

// tickets are names for principals that are good once.
type tickets struct {
	store backplane.Tickets
}

// ticket is a principal, as JSON. It has no credential: who can read the store cannot take one from there.
type ticket struct {
	Tenant    string    `json:"tenant"`
	User      string    `json:"user,omitempty"`
	Session   string    `json:"session,omitempty"`
	Subscribe []string  `json:"subscribe,omitempty"`
	Publish   []string  `json:"publish,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	TokenID   string    `json:"token_id,omitempty"`
	Issued    time.Time `json:"issued,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	Key       string    `json:"key,omitempty"`
}

// queryOf returns the parameters of a request's URL. Whoever has parsed them already left them in the request's form.
func queryOf(r *http.Request) url.Values {
	if r.Form != nil {
		return r.Form
	}
	return r.URL.Query()
}

func hasTicket(r *http.Request) bool { return queryOf(r).Has(ticketParameter) }

func (t tickets) put(ctx context.Context, p Principal, now time.Time) (id string, age time.Duration, err error) {
	if t.store == nil {
		return "", 0, fmt.Errorf("put ticket: %w: this node has no place for tickets", backplane.ErrUnavailable)
	}
	value, err := json.Marshal(ticket{
		Tenant: p.Tenant.String(), User: p.User.ID(), Session: p.Session.ID(), Subscribe: p.Subscribe.patterns, Publish: p.Publish.patterns,
		Issuer: p.Issuer, TokenID: p.TokenID, Issued: p.Issued, Expires: p.Expires, Key: p.Key,
	})
	if err != nil {
		return "", 0, fmt.Errorf("put ticket: %w", err)
	}
	id, age = rand.Text(), TicketAge
	if !p.Expires.IsZero() {
		age = min(age, p.Expires.Sub(now))
	}
	if age < time.Second { // what is left of the token would be over before the ticket is used
		return "", 0, fmt.Errorf("put ticket: %w", ErrExpired)
	}
	if err = t.store.Put(ctx, id, value, age); err != nil {
		return "", 0, fmt.Errorf("put ticket: %w", err)
	}
	return id, age, nil
}

// redeem returns the principal of the request's ticket and uses that up; HEAD only looks.
func (t tickets) redeem(r *http.Request) (Principal, error) {
	ids := queryOf(r)[ticketParameter]
	if len(ids) != 1 || len(ids[0]) != ticketSize || strings.Trim(ids[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || t.store == nil {
		return Principal{}, fmt.Errorf("%w: it is none that this service gives; get one with POST /tickets", ErrTicket)
	}
	take := t.store.Take
	if r.Method == http.MethodHead {
		take = t.store.Peek
	}
	value, err := take(r.Context(), ids[0])
	if errors.Is(err, backplane.ErrNoTicket) {
		return Principal{}, fmt.Errorf("%w: it is good once, within %v; get a new one with POST /tickets", ErrTicket, TicketAge)
	}
	if err != nil {
		return Principal{}, err
	}
	p, err := parseTicket(value)
	if err != nil { // another release wrote it, or somebody else
		return Principal{}, fmt.Errorf("%w: it cannot be read; get a new one with POST /tickets", ErrTicket)
	}
	return p, nil
}

func parseTicket(value []byte) (p Principal, err error) {
	var t ticket
	if err = json.Unmarshal(value, &t); err != nil {
		return Principal{}, err
	}
	p = Principal{Issuer: t.Issuer, TokenID: t.TokenID, Issued: t.Issued, Expires: t.Expires, Key: t.Key}
	var faults [5]error
	p.Tenant, faults[0] = event.ParseTenant(t.Tenant)
	if t.User != "" {
		p.User, faults[1] = event.User(t.User)
	}
	if t.Session != "" {
		p.Session, faults[2] = event.Session(t.Session)
	}
	p.Subscribe, faults[3] = ParseGrants(t.Subscribe)
	p.Publish, faults[4] = ParseGrants(t.Publish)
	return p, errors.Join(faults[:]...)
}
