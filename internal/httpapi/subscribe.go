package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// subscribe answers GET /events with a stream, and HEAD /events with the status that GET would have, as far as that is known
// without joining anything.
func (a *API) subscribe(c echo.Context) error {
	r, address := c.Request(), addressOf(c)
	query, topics, err := a.askedFor(r)
	if err != nil {
		return a.refuse(c, err)
	}
	// A ticket is used up by authentication, so what may refuse for now comes before it.
	if err = a.core.Ready(); err != nil {
		return a.refuse(c, err)
	}
	if r.Method == http.MethodHead {
		if err = a.wouldServe(c, address, query, topics); err != nil {
			return a.refuse(c, err)
		}
		setStreamHeaders(c.Response().Header())
		return c.NoContent(http.StatusOK)
	}
	if err = a.admission.enter(address); err != nil {
		return a.refuse(c, err)
	}
	s := &session{api: a, address: address}
	if err = a.seat(c, s, query, topics); err != nil {
		s.release()
		return a.refuse(c, err)
	}
	return nil
}

// seat gives an admitted reader its stream, which holds the session from then on.
func (a *API) seat(c echo.Context, s *session, query url.Values, topics []event.Target) error {
	r := c.Request()
	if err := a.roomForTicket(r, query); err != nil {
		return err
	}
	principal, request, err := a.readerOf(c, query, topics)
	if err != nil {
		return err
	}
	if user := userOf(principal); a.users.counts(user) {
		if err = a.users.enter(user); err != nil {
			return err
		}
		s.user = &user
	}
	subscription, err := a.join(r.Context(), request)
	if err != nil {
		return err
	}
	return a.serve(c, s, subscription, principal, request)
}

// roomForTicket returns why the holder of a ticket would not be admitted now; nil if it would. Who has no room is told to come
// back, with the same URL perhaps, so its ticket is only looked at until there is.
func (a *API) roomForTicket(r *http.Request, query url.Values) error {
	if a.users.most == 0 || !query.Has("ticket") {
		return nil
	}
	look := r.WithContext(r.Context())
	look.Method = http.MethodHead // which uses nothing up
	principal, err := a.auth.Reader(look)
	if err != nil {
		return err
	}
	return a.users.check(principal)
}

// wouldServe returns why a stream would be refused now, as far as that is known without joining anything; nil if it would not.
func (a *API) wouldServe(c echo.Context, address netip.Addr, query url.Values, topics []event.Target) error {
	if err := a.admission.check(address); err != nil {
		return err
	}
	principal, _, err := a.readerOf(c, query, topics)
	if err != nil {
		return err
	}
	return a.users.check(principal)
}

// askedFor returns the parameters of a request and the topics among them. Its errors are final.
func (a *API) askedFor(r *http.Request) (query url.Values, topics []event.Target, err error) {
	if query, err = url.ParseQuery(r.URL.RawQuery); err != nil { // whatever could not be read may have been a topic
		return nil, nil, badRequest("query", "the query cannot be read: %v", err)
	}
	r.Form = query // for authentication, which looks at it too
	names := query["topic"]
	if len(names) > a.cfg.Topics {
		return nil, nil, badRequest("too_many_topics", "%d topics are asked for, the most of one stream is %d", len(names), a.cfg.Topics)
	}
	for _, name := range names {
		topic, err := event.Topic(strings.Clone(name)) // it stays for as long as the stream, its request does not
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	return query, topics, nil
}

// readerOf says who reads and what. The principal may read all of it, also where it comes back with a cursor: that says how
// far it has read, and never what it may read.
func (a *API) readerOf(c echo.Context, query url.Values, topics []event.Target) (auth.Principal, broker.Request, error) {
	principal, err := a.auth.Reader(c.Request())
	if err != nil {
		return principal, broker.Request{}, err
	}
	targets := principal.Own()
	for _, topic := range topics {
		if !principal.MayRead(topic) {
			return principal, broker.Request{}, fmt.Errorf("%w: the credential does not grant reading %s (pushstream.subscribe)", auth.ErrForbidden, event.Quote(topic.String()))
		}
		targets = append(targets, topic)
	}
	return principal, broker.Request{
		Tenant:      principal.Tenant,
		Targets:     targets,
		LastEventID: lastEventID(c.Request(), query),
		Envelope:    query.Get("envelope") == "1",
		Identity:    principal.Identity(),
		Credential:  credentialOf(principal),
	}, nil
}

// credentialOf returns what may be taken back from a principal, or ends; nil for nothing.
func credentialOf(p auth.Principal) *store.Credential {
	c := store.Credential{Token: p.TokenID, Issued: p.Issued, Expires: p.Expires}
	if c == (store.Credential{}) {
		return nil
	}
	return &c
}

// lastEventID returns the reader's cursor. The header wins: a native EventSource that comes back sends the same URL with a
// newer header.
func lastEventID(r *http.Request, query url.Values) string {
	for _, id := range []string{r.Header.Get("Last-Event-ID"), query.Get("lastEventId"), query.Get("last_event_id")} {
		if id != "" {
			return id
		}
	}
	return ""
}

// join subscribes within Config.SubscribeTimeout.
func (a *API) join(ctx context.Context, r broker.Request) (*broker.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.SubscribeTimeout)
	defer cancel()
	return a.core.Subscribe(ctx, r)
}

// serve gives a subscription its stream. One that was taken over goes on by itself; another one ends before serve returns.
func (a *API) serve(c echo.Context, s *session, subscription *broker.Subscription, principal auth.Principal, request broker.Request) error {
	setStreamHeaders(c.Response().Header())
	stream, serve, err := a.open(c, s)
	if err != nil {
		subscription.Cancel()
		return err
	}
	if ctx := c.Request().Context(); a.log.Enabled(ctx, slog.LevelDebug) {
		a.log.LogAttrs(ctx, slog.LevelDebug, "stream opened", slog.String("connection", subscription.ID()),
			slog.String("address", s.Address()), slog.Int("targets", len(request.Targets)),
			slog.Bool("resumed", request.LastEventID != ""), slog.Bool("envelope", request.Envelope))
	}
	s.begin()
	conn := subscription.Start(stream, s)
	if a.auth.Refused(principal) { // since it was authenticated: whoever looked for its streams then did not find this one
		a.core.End(event.LogName{Tenant: request.Tenant, Target: request.Targets[0]},
			func(i store.Info) bool { return i.ID == subscription.ID() }, store.ReasonRevoked, func(int) {})
	}
	serve(conn)
	return nil // whatever ended the stream, nothing may follow it
}
