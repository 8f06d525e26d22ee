package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// publish answers POST /events: one event, an array of them, or one a line.
func (a *API) publish(c echo.Context) error {
	r := c.Request()
	ready := a.core.Ready() // before the credential is looked at, or that could be refused in between
	principal, err := a.auth.Publisher(r)
	if err == nil && errors.Is(ready, broker.ErrStarting) && principal.TokenID != "" {
		err = ready // which tokens are refused is not known yet; publishers' keys are not refused like that
	}
	if err != nil {
		return a.refusePublish(1, err)
	}
	mediaType, err := publishType(r)
	if err != nil {
		return a.refusePublish(1, err)
	}
	body, release, err := a.readBody(c)
	defer release()
	if err != nil {
		return a.refusePublish(1, err)
	}
	if mediaType == "application/x-ndjson" {
		return a.publishLines(c, principal, body)
	}
	document, err := event.ParseDocument(body)
	switch {
	case err != nil:
		return a.refusePublish(1, invalidJSON(err))
	case document.Kind() == "array":
		return a.publishArray(c, principal, document)
	default:
		return a.publishOne(c, principal, document)
	}
}

// publishType insists on a media type that a web page cannot send across origins without asking first (CSRF), and on a
// body as it is: a small one that unpacks to a large one would get past the limit.
func publishType(r *http.Request) (string, error) {
	if coding := r.Header.Get(echo.HeaderContentEncoding); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", &problem{
			Title: "Unsupported content coding", Status: http.StatusUnsupportedMediaType, Code: "content_encoding",
			Detail: "the body is compressed (Content-Encoding); send it as it is",
		}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || mediaType != echo.MIMEApplicationJSON && mediaType != "application/x-ndjson" {
		return "", &problem{
			Title: "Unsupported media type", Status: http.StatusUnsupportedMediaType, Code: "content_type",
			Detail: "send Content-Type: application/json, or application/x-ndjson for one event a line",
		}
	}
	return mediaType, nil
}

// readBody reads the body within its limits and the time that boundBody has set. It counts as one in progress until release.
func (a *API) readBody(c echo.Context) (body []byte, release func(), err error) {
	w := c.Response().Writer // not echo's own, whose connection http.MaxBytesReader could not close
	from := &incoming{of: a.bodies, from: http.MaxBytesReader(w, c.Request().Body, a.cfg.BodyBytes)}
	body, err = io.ReadAll(from) // with its end, net/http has lifted the deadline
	return body, from.release, bodyError(err)
}

// bodyError turns an error of reading a body into what its sender is told.
func bodyError(err error) error {
	tooLong, refused := new(http.MaxBytesError), new(problem)
	switch {
	case err == nil, errors.As(err, &tooLong), errors.As(err, &refused):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{
			Title: "Request timeout", Status: http.StatusRequestTimeout, Code: "body_timeout",
			Detail: fmt.Sprintf("the body did not arrive within %v", bodyTimeout),
		}
	default:
		return badRequest("body", "the body could not be read: %v", err)
	}
}

func (a *API) publishOne(c echo.Context, principal auth.Principal, document event.Document) error {
	p, single, err := decodePublication(document, principal)
	if err != nil {
		return a.refusePublish(1, err)
	}
	if key := c.Request().Header.Get("Idempotency-Key"); key != "" {
		p.Key = key
	}
	if err = a.take(1); err != nil {
		return a.refusePublish(1, err)
	}
	result := a.core.Publish(c.Request().Context(), []backplane.Publication{p})[0]
	if result.Err != nil {
		return a.refusePublish(1, result.Err)
	}
	answer, err := answerTo(p, single, result)
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, append(answer, '\n'))
}

func (a *API) publishArray(c echo.Context, principal auth.Principal, document event.Document) error {
	items, count := firstOf(document.Elements(), a.cfg.BatchEvents)
	decode := func(i int) (backplane.Publication, bool, error) { return decodePublication(items[i], principal) }
	answers, err := a.publishAll(c, len(items), count, decode)
	if err != nil {
		return err
	}
	body := append(bytes.Join(answers, []byte{','}), "]}\n"...)
	return c.JSONBlob(http.StatusOK, append([]byte(`{"results":[`), body...))
}

func (a *API) publishLines(c echo.Context, principal auth.Principal, body []byte) error {
	items, count := linesOf(body, a.cfg.BatchEvents)
	decode := func(i int) (p backplane.Publication, single bool, err error) {
		document, err := event.ParseDocument(items[i])
		if err != nil {
			return p, false, invalidJSON(err)
		}
		return decodePublication(document, principal)
	}
	answers, err := a.publishAll(c, len(items), count, decode)
	if err != nil {
		return err
	}
	var lines []byte
	for _, answer := range answers {
		lines = append(append(lines, answer...), '\n')
	}
	return c.Blob(http.StatusOK, "application/x-ndjson", lines)
}

// failure stands in a batch's results for an event that was not stored.
type failure struct {
	Error *problem `json:"error"`
}

// publishAll publishes a batch and returns an answer for each event, as JSON. One bad event does not lose the others. decode
// returns each of so many events, which are the first of count.
func (a *API) publishAll(
	c echo.Context, events, count int, decode func(i int) (p backplane.Publication, single bool, err error),
) (answers [][]byte, err error) {
	if c.Request().Header.Get("Idempotency-Key") != "" {
		return nil, a.refusePublish(count, invalid("Idempotency-Key is for a single event; give each event of a batch a key of its own"))
	}
	if count > events {
		return nil, a.refusePublish(count, tooLarge("batch_too_large", "the batch has %d events, the most is %d", count, a.cfg.BatchEvents))
	}
	if err = a.take(events); err != nil {
		return nil, a.refusePublish(events, err)
	}
	answers = make([][]byte, events)
	publications := make([]backplane.Publication, 0, events)
	places, singles := make([]int, 0, events), make([]bool, 0, events)
	for i := range events {
		p, single, refusal := decode(i)
		if refusal != nil {
			if answers[i], err = a.failureOf(refusal); err != nil {
				return nil, err
			}
			continue
		}
		publications, places, singles = append(publications, p), append(places, i), append(singles, single)
	}
	for i, result := range a.core.Publish(c.Request().Context(), publications) {
		at := places[i]
		if result.Err != nil {
			answers[at], err = a.failureOf(result.Err)
		} else {
			answers[at], err = answerTo(publications[i], singles[i], result)
		}
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func (a *API) failureOf(err error) ([]byte, error) {
	p := problemOf(err)
	a.metrics.PublishRefused(p.Code)
	text, err := json.Marshal(failure{p})
	if err != nil {
		return nil, fmt.Errorf("encode a failure: %w", err)
	}
	return text, nil
}

// refusePublish counts events that were refused, and passes the error on.
func (a *API) refusePublish(events int, err error) error {
	code := problemOf(err).Code
	for range events {
		a.metrics.PublishRefused(code)
	}
	return err
}

// take asks the publish rate for so many events.
func (a *API) take(events int) error {
	now := time.Now()
	r := a.rate.ReserveN(now, events)
	if !r.OK() {
		return tooLarge("batch_too_large", "the batch has %d events, the most at once is %d (limits.publish_burst)", events, a.rate.Burst())
	}
	delay := r.DelayFrom(now)
	if delay == 0 {
		return nil
	}
	r.CancelAt(now)
	return &problem{
		Title: "Too many requests", Status: http.StatusTooManyRequests, Code: "publish_rate",
		Detail: "this node takes no more events now (limits.publish_rate); try again later, with the same key", RetryAfter: delay,
	}
}
