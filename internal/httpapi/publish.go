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
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// publish answers POST /events: one event, an array of them, or one a line.
func (a *API) publish(c echo.Context) error {
	r := c.Request()
	principal, err := a.auth.Authenticate(r)
	if err != nil {
		return a.refusePublish(1, err)
	}
	mediaType, err := publishType(r)
	if err != nil {
		return a.refusePublish(1, err)
	}
	body, err := a.readBody(c)
	if err != nil {
		return a.refusePublish(1, err)
	}
	if mediaType == "application/x-ndjson" {
		return a.publishLines(c, principal, body)
	}
	switch body = bytes.TrimLeft(body, " \t\r\n"); {
	case !json.Valid(body):
		var raw json.RawMessage
		return a.refusePublish(1, badRequest("invalid_json", "the body is not JSON: %v", json.Unmarshal(body, &raw)))
	case body[0] == '[':
		return a.publishArray(c, principal, body)
	default:
		return a.publishOne(c, principal, body)
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

// readBody reads the body within its limit and the time that boundBody has set.
func (a *API) readBody(c echo.Context) ([]byte, error) {
	w := c.Response().Writer // not echo's own, whose connection http.MaxBytesReader could not close
	body, err := io.ReadAll(http.MaxBytesReader(w, c.Request().Body, a.cfg.BodyBytes))
	tooLong := new(http.MaxBytesError)
	switch {
	case err == nil:
		return body, nil // with its end, net/http has lifted the deadline
	case errors.As(err, &tooLong):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem{
			Title: "Request timeout", Status: http.StatusRequestTimeout, Code: "body_timeout",
			Detail: fmt.Sprintf("the body did not arrive within %v", bodyTimeout),
		}
	default:
		return nil, badRequest("body", "the body could not be read: %v", err)
	}
}

func (a *API) publishOne(c echo.Context, principal auth.Principal, body []byte) error {
	p, single, err := decodePublication(body, principal.Tenant)
	if err != nil {
		return a.refusePublish(1, err)
	}
	if key := c.Request().Header.Get("Idempotency-Key"); key != "" {
		p.Key = key
	}
	if err := a.take(1); err != nil {
		return a.refusePublish(1, err)
	}
	result := a.core.Publish(c.Request().Context(), []backplane.Publication{p})[0]
	if result.Err != nil {
		return a.refusePublish(1, result.Err)
	}
	return c.JSON(http.StatusOK, answerTo(p, single, result))
}

func (a *API) publishArray(c echo.Context, principal auth.Principal, body []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(body, &items); err != nil {
		return a.refusePublish(1, badRequest("invalid_json", "the body is not an array: %v", err))
	}
	answers, err := a.publishAll(c, principal, items)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string][]any{"results": answers})
}

func (a *API) publishLines(c echo.Context, principal auth.Principal, body []byte) error {
	var items []json.RawMessage
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			items = append(items, line)
		}
	}
	answers, err := a.publishAll(c, principal, items)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	encode := json.NewEncoder(&lines)
	for _, answer := range answers {
		if err := encode.Encode(answer); err != nil {
			return fmt.Errorf("encode results: %w", err)
		}
	}
	return c.Blob(http.StatusOK, "application/x-ndjson", lines.Bytes())
}

// failure stands in a batch's results for an event that was not stored.
type failure struct {
	Error *problem `json:"error"`
}

// publishAll publishes a batch and returns an answer for each event. One bad event does not lose the others.
func (a *API) publishAll(c echo.Context, principal auth.Principal, items []json.RawMessage) ([]any, error) {
	if c.Request().Header.Get("Idempotency-Key") != "" {
		return nil, a.refusePublish(len(items), invalid("Idempotency-Key is for a single event; give each event of a batch a key of its own"))
	}
	if len(items) > a.cfg.BatchEvents {
		return nil, a.refusePublish(len(items), tooLarge("batch_too_large", "the batch has %d events, the most is %d", len(items), a.cfg.BatchEvents))
	}
	if err := a.take(len(items)); err != nil {
		return nil, a.refusePublish(len(items), err)
	}
	answers := make([]any, len(items))
	var publications []backplane.Publication
	var places []int
	var singles []bool
	for i, item := range items {
		p, single, err := decodePublication(item, principal.Tenant)
		if err != nil {
			answers[i] = a.failureOf(err)
			continue
		}
		publications, places, singles = append(publications, p), append(places, i), append(singles, single)
	}
	for i, result := range a.core.Publish(c.Request().Context(), publications) {
		if result.Err != nil {
			answers[places[i]] = a.failureOf(result.Err)
		} else {
			answers[places[i]] = answerTo(publications[i], singles[i], result)
		}
	}
	return answers, nil
}

func (a *API) failureOf(err error) failure {
	p := problemOf(err)
	a.metrics.PublishRefused(p.Code)
	return failure{p}
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

// publication is an event as it is sent to us.
type publication struct {
	Target   *string         `json:"target"`
	Targets  []string        `json:"targets"`
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data"`
	Key      string          `json:"key"`
	Meta     json.RawMessage `json:"meta"`
	LiveOnly bool            `json:"live_only"`
}

// maxTargets is the most targets of one event.
const maxTargets = 100

// decodePublication reads one event. single says that it named its target, not a list.
func decodePublication(body []byte, tenant event.Tenant) (p backplane.Publication, single bool, err error) {
	if !utf8.Valid(body) {
		// encoding/json would put one and the same character for all that is not: into targets and keys too.
		return p, false, badRequest("invalid_json", "this is not JSON: it is not UTF-8 (RFC 8259, section 8.1)")
	}
	var in publication
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(&in); err != nil {
		return p, false, decodeError(err, body)
	}
	if _, err = decoder.Token(); !errors.Is(err, io.EOF) {
		return p, false, badRequest("invalid_json", "this is more than one JSON value")
	}
	p = backplane.Publication{Tenant: tenant, Key: in.Key, LiveOnly: in.LiveOnly}
	names := in.Targets
	switch {
	case in.Target != nil && in.Targets != nil:
		return p, false, invalid("both target and targets are given; give one of them")
	case in.Target != nil:
		names, single = []string{*in.Target}, true
	case len(names) == 0:
		return p, false, invalid("target is missing: user:ID, session:ID, topic:NAME or all")
	case len(names) > maxTargets:
		return p, false, invalid("the event has %d targets, the most is %d", len(names), maxTargets)
	}
	for _, name := range names {
		var t event.Target
		if t, err = event.ParseTarget(name); err != nil {
			return p, false, err
		}
		p.Targets = append(p.Targets, t)
	}
	p.Event, err = decodeEvent(in)
	return p, single, err
}

func decodeEvent(in publication) (e event.Event, err error) {
	if e.Type, err = event.ParseType(in.Type); err != nil {
		return e, err
	}
	if in.Data == nil {
		return e, invalid("data is missing; an event without data has null")
	}
	if e.Data, err = event.ParseJSON(in.Data); err != nil {
		return e, fmt.Errorf("data: %w", err)
	}
	if in.Meta != nil && string(in.Meta) != "null" {
		if e.Meta, err = event.ParseObject(in.Meta); err != nil {
			return e, fmt.Errorf("meta: %w", err)
		}
	}
	return e, nil
}

// decodeError tells a body that is not JSON from one that is not an event.
func decodeError(err error, body []byte) error {
	if !json.Valid(body) {
		return badRequest("invalid_json", "this is not JSON: %v", err)
	}
	const event = "an event is {\"target\", \"type\", \"data\"}"
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		if wrong.Field == "" {
			return invalid("this is a JSON %s; %s", wrong.Value, event)
		}
		return invalid("%s is a JSON %s; %s", wrong.Field, wrong.Value, event)
	}
	const most = 200 // bytes: it may quote the name of a field, of any length
	text := err.Error()
	return invalid("%s; %s", text[:min(len(text), most)], event)
}

func invalid(format string, args ...any) *problem {
	return &problem{Title: "Invalid", Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: fmt.Sprintf(format, args...)}
}

// answerTo says what became of an event that was taken.
func answerTo(p backplane.Publication, single bool, result backplane.Result) any {
	switch {
	case p.LiveOnly:
		return map[string]bool{"live": true}
	case single:
		return map[string]string{"id": result.Positions[0].String()}
	default:
		ids := make(map[string]string, len(p.Targets))
		for i, t := range p.Targets {
			ids[t.String()] = result.Positions[i].String()
		}
		return map[string]map[string]string{"ids": ids}
	}
}
