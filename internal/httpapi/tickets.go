package httpapi

import (
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

// desk counts the tickets of each reader against a limit, or one token would be enough to fill the memory of the node, or of
// the Redis that all tenants share. It is safe for concurrent use.
type desk struct {
	most int // of a reader in auth.TicketAge; 0 = no limit

	mu    sync.Mutex
	since time.Time
	given map[holder]int
}

// holder is whose tickets are counted: a user, else a session, else a token.
type holder struct {
	log   event.LogName
	token string
}

func newDesk(most int) *desk { return &desk{most: most, given: make(map[holder]int)} }

// admit counts a ticket, or returns why there is none now.
func (d *desk) admit(p auth.Principal, now time.Time) error {
	if d.most == 0 {
		return nil
	}
	h := holder{log: event.LogName{Tenant: p.Tenant, Target: p.User}}
	if p.User.IsZero() {
		h.log.Target = p.Session
	}
	if h.log.Target.IsZero() {
		h.token = p.TokenID
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.since) >= auth.TicketAge {
		d.since = now
		clear(d.given)
	}
	if d.given[h] >= d.most {
		return &problem{
			Title: "Too many requests", Status: http.StatusTooManyRequests, Code: "too_many_tickets", RetryAfter: d.since.Add(auth.TicketAge).Sub(now),
			Detail: "this reader has had as many tickets as it may have for now (limits.tickets_per_reader); try again later",
		}
	}
	d.given[h]++
	return nil
}

// ticket answers POST /tickets: a name for the caller's credential that may stand in a URL, because it is good once, and
// not for long.
func (a *API) ticket(c echo.Context) error {
	principal, err := a.auth.TicketHolder(c.Request())
	if err == nil {
		err = a.desk.admit(principal, time.Now())
	}
	if err != nil {
		return a.refuseTicket(err)
	}
	id, age, err := a.auth.Ticket(c.Request().Context(), principal)
	if err != nil {
		return a.refuseTicket(err)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}{id, int(age / time.Second)})
}

func (a *API) refuseTicket(err error) error {
	a.metrics.TicketRefused(problemOf(err).Code)
	return err
}
