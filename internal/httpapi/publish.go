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

func (a *API) publishOne(c echo.Context, principal auth.Principal, body []byte) error {
	p, single, err := decodePublication(body, principal)
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
	items, count := elementsOf(body, a.cfg.BatchEvents)
	answers, err := a.publishAll(c, principal, items, count)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string][]any{"results": answers})
}

func (a *API) publishLines(c echo.Context, principal auth.Principal, body []byte) error {
	items, count := linesOf(body, a.cfg.BatchEvents)
	answers, err := a.publishAll(c, principal, items, count)
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

// publishAll publishes a batch and returns an answer for each event. One bad event does not lose the others. items are the
// first of count events.
func (a *API) publishAll(c echo.Context, principal auth.Principal, items []json.RawMessage, count int) ([]any, error) {
	if c.Request().Header.Get("Idempotency-Key") != "" {
		return nil, a.refusePublish(count, invalid("Idempotency-Key is for a single event; give each event of a batch a key of its own"))
	}
	if count > len(items) {
		return nil, a.refusePublish(count, tooLarge("batch_too_large", "the batch has %d events, the most is %d", count, a.cfg.BatchEvents))
	}
	if err := a.take(len(items)); err != nil {
		return nil, a.refusePublish(len(items), err)
	}
	answers := make([]any, len(items))
	var publications []backplane.Publication
	var places []int
	var singles []bool
	for i, item := range items {
		p, single, err := decodePublication(item, principal)
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
	Targets  targetNames     `json:"targets"`
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data"`
	Key      string          `json:"key"`
	Meta     json.RawMessage `json:"meta"`
	LiveOnly bool            `json:"live_only"`
}

// maxTargets is the most targets of one event.
const maxTargets = 100

// decodePublication reads one event that the principal may publish. single says that it named its target, not a list.
func decodePublication(body []byte, principal auth.Principal) (p backplane.Publication, single bool, err error) {
	if !utf8.Valid(body) {
		// encoding/json would put one and the same character for all that is not: into targets and keys too.
		return p, false, badRequest("invalid_json", "this is not JSON: it is not UTF-8 (RFC 8259, section 8.1)")
	}
	var in publication
	if err = decodeStrictly(body, &in, "an event is {\"target\", \"type\", \"data\"}"); err != nil {
		return p, false, err
	}
	if noCharacter(in.Key) {
		return p, false, invalid("key: " + noCharacterIsTold)
	}
	p = backplane.Publication{Tenant: principal.Tenant, Key: in.Key, LiveOnly: in.LiveOnly}
	names := in.Targets.first
	switch {
	case in.Target != nil && names != nil:
		return p, false, invalid("both target and targets are given; give one of them")
	case in.Target != nil:
		names, single = []string{*in.Target}, true
	case len(names) == 0:
		return p, false, invalid("target is missing: user:ID, session:ID, topic:NAME or all")
	case in.Targets.count > len(names):
		return p, false, invalid("the event has %d targets, the most is %d", in.Targets.count, maxTargets)
	}
	for _, name := range names {
		if noCharacter(name) {
			return p, false, invalid("target: " + noCharacterIsTold)
		}
		var t event.Target
		if t, err = event.ParseTarget(name); err != nil {
			return p, false, err
		}
		if !principal.MayPublish(t) {
			return p, false, fmt.Errorf("%w: the credential does not grant publishing to %s", auth.ErrForbidden, event.Quote(name))
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

// noCharacter reports whether a text may have had in it what is no character, like an escaped half of a surrogate pair.
// Decoding puts one and the same character for each: two names would become one.
func noCharacter(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

const noCharacterIsTold = "it has what is no character, or U+FFFD, which stands for that"

// maxMembers is the most members of an object that somebody sends us: none that we know has as many fields.
const maxMembers = 16

// decodeStrictly reads one JSON object. Fields that do not exist are errors; expected says what there is. encoding/json would
// make an error of each: an object of a million members takes thirty times its size then.
func decodeStrictly(body []byte, into any, expected string) error {
	if n := membersOf(body); n > maxMembers && json.Valid(body) {
		return invalid("this is an object of %d members; %s", n, expected)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return decodeError(err, body, expected)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("invalid_json", "this is more than one JSON value")
	}
	return nil
}

// decodeError tells a body that is not JSON from one that is not what is expected.
func decodeError(err error, body []byte, expected string) error {
	if !json.Valid(body) {
		return badRequest("invalid_json", "this is not JSON: %v", err)
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		if wrong.Field == "" {
			return invalid("this is a JSON %s; %s", wrong.Value, expected)
		}
		return invalid("%s is a JSON %s; %s", wrong.Field, wrong.Value, expected)
	}
	const most = 200 // bytes: it may quote the name of a field, of any length
	text := err.Error()
	return invalid("%s; %s", text[:min(len(text), most)], expected)
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
