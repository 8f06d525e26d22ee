package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// subscribe answers GET /events with a stream, and HEAD /events with the status that GET would have, as far as that is known
// without joining anything.
func (a *API) subscribe(c echo.Context) error {
	request, err := a.readerOf(c.Request())
	if err != nil {
		return a.refuse(c, err)
	}
	if err = a.core.Ready(); err != nil {
		return a.refuse(c, err)
	}
	address := addressOf(c)
	if c.Request().Method == http.MethodHead {
		if err = a.admission.check(address); err != nil {
			return a.refuse(c, err)
		}
		setStreamHeaders(c.Response().Header())
		return c.NoContent(http.StatusOK)
	}
	if err = a.admission.enter(address); err != nil {
		return a.refuse(c, err)
	}
	defer a.admission.leave(address)
	subscription, err := a.join(c.Request().Context(), request)
	if err != nil {
		return a.refuse(c, err)
	}
	return a.serve(c, subscription, request)
}

// readerOf says what a request wants to read. Its errors are final.
func (a *API) readerOf(r *http.Request) (broker.Request, error) {
	principal, err := a.auth.Authenticate(r)
	if err != nil {
		return broker.Request{}, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // whatever could not be read may have been a topic
		return broker.Request{}, badRequest("query", "the query cannot be read: %v", err)
	}
	targets := principal.Own()
	topics := query["topic"]
	if len(topics) > a.cfg.Topics {
		return broker.Request{}, badRequest("too_many_topics", "%d topics are asked for, the most of one stream is %d", len(topics), a.cfg.Topics)
	}
	for _, name := range topics {
		topic, err := event.Topic(name)
		if err != nil {
			return broker.Request{}, err
		}
		if !slices.Contains(targets, topic) {
			targets = append(targets, topic)
		}
	}
	return broker.Request{
		Tenant:      principal.Tenant,
		Targets:     targets,
		LastEventID: lastEventID(r, query),
		Envelope:    query.Get("envelope") == "1",
		Identity:    principal.Identity(),
	}, nil
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

// serve gives a subscription its stream, and returns when that has ended.
func (a *API) serve(c echo.Context, subscription *broker.Subscription, request broker.Request) error {
	opened, address := time.Now(), c.RealIP()
	setStreamHeaders(c.Response().Header())
	stream, err := a.open(c)
	if err != nil {
		subscription.Cancel()
		return err
	}
	log := a.log.With(slog.String("connection", subscription.ID))
	log.Debug("stream opened",
		slog.String("address", address), slog.Int("targets", len(request.Targets)),
		slog.Bool("resumed", request.LastEventID != ""), slog.Bool("envelope", request.Envelope))
	a.metrics.ConnectionOpened()
	closed := make(chan store.Reason, 1)
	conn := subscription.Start(stream, func(reason store.Reason) { closed <- reason })
	err = stream.Serve(c.Request().Context(), conn)
	reason := <-closed
	a.metrics.ConnectionClosed(reason.String())
	log = log.With(slog.String("reason", reason.String()), slog.Duration("duration", time.Since(opened)))
	if err != nil {
		log = log.With(slog.Any("error", err))
	}
	log.Debug("stream closed")
	return nil // whatever ended the stream, nothing may follow it
}
