package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Development lets everybody be whom they say they are: the parameters user and session name the principal. It is for one
// machine: requests that may come from elsewhere are refused, such as those of a foreign web page (DNS rebinding, or a
// form sent across origins) and those that a proxy passed on. What is served may read and publish everything.
type Development struct {
	// Insecure serves requests wherever they come from.
	Insecure bool
	// Origins are web origins that are served besides those of this machine.
	Origins []string

	tickets  tickets
	refusals *Refusals
}

// NewDevelopment returns a Development that has tickets and refusals too. It starts nothing.
func NewDevelopment(insecure bool, origins []string, store backplane.Tickets) Development {
	return Development{Insecure: insecure, Origins: origins, tickets: tickets{store}, refusals: NewRefusals()}
}

// Reader returns the principal that the request's ticket stands for, or that it names. A ticket is used up, except by HEAD.
// The error wraps ErrForbidden, ErrTicket, or event.ErrInvalid where a name is none.
func (d Development) Reader(r *http.Request) (Principal, error) {
	if !hasTicket(r) {
		return d.TicketHolder(r)
	}
	if err := d.guard(r); err != nil {
		return Principal{}, err
	}
	return d.tickets.redeem(r)
}

// Publisher returns the principal that the request names.
func (d Development) Publisher(r *http.Request) (Principal, error) { return d.TicketHolder(r) }

// TicketHolder returns the principal that the request names.
func (d Development) TicketHolder(r *http.Request) (Principal, error) {
	p, err := d.Authenticate(r)
	if err != nil {
		return Principal{}, err
	}
	p.Subscribe, p.Publish = All(), All()
	return p, nil
}

// Ticket puts a ticket for a principal, good once within age.
func (d Development) Ticket(ctx context.Context, p Principal) (id string, age time.Duration, err error) {
	return d.tickets.put(ctx, p, time.Now())
}

// Verify refuses every token: development mode has none.
func (Development) Verify(context.Context, string) (Principal, error) {
	return Principal{}, invalidf("the node is in development mode, and knows no tokens; set auth.secret or auth.issuers")
}

// Refused is always false: there are no tokens to be taken back, and nobody could get a new one to be let in again.
func (Development) Refused(Principal) bool { return false }

// Refusals returns what is refused.
func (d Development) Refusals() *Refusals { return d.refusals }

// Credentials reports whether scripts may send cookies along: there are none.
func (Development) Credentials() bool { return false }

// Authenticate returns the principal that the request names. The error wraps ErrForbidden, or event.ErrInvalid where a
// name is none.
func (d Development) Authenticate(r *http.Request) (Principal, error) {
	if err := d.guard(r); err != nil {
		return Principal{}, err
	}
	p := Principal{Tenant: event.DefaultTenant()}
	query := queryOf(r)
	var err error
	if id := query.Get("user"); id != "" {
		if p.User, err = event.User(strings.Clone(id)); err != nil {
			return Principal{}, err
		}
	}
	if id := query.Get("session"); id != "" {
		if p.Session, err = event.Session(strings.Clone(id)); err != nil {
			return Principal{}, err
		}
	}
	return p, nil
}

// AllowsOrigin reports whether scripts of a web origin may read answers.
func (d Development) AllowsOrigin(origin string) bool {
	if d.Insecure {
		return true
	}
	if slices.Contains(d.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && IsLoopback(u.Host)
}

func (d Development) guard(r *http.Request) error {
	if d.Insecure {
		return nil
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if len(r.Header[name]) > 0 { // the names are canonical; an empty one too: a proxy may add its own line behind that of the caller
			return fmt.Errorf("%w: the request came through a proxy (%s), and development mode serves this machine only; set insecure_dev to serve it all the same", ErrForbidden, name)
		}
	}
	if !IsLoopback(r.Host) {
		return fmt.Errorf("%w: the request is for host %s, and development mode serves localhost only; set insecure_dev to serve it all the same", ErrForbidden, event.Quote(r.Host))
	}
	if origin := r.Header.Get("Origin"); origin != "" && !d.AllowsOrigin(origin) {
		return fmt.Errorf("%w: the request comes from origin %s; name it in cors.origins", ErrForbidden, event.Quote(origin))
	}
	return nil
}

// IsLoopback reports whether the host of a URL or Host header, with or without port, names this machine.
func IsLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
