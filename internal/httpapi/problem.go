package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// problem is an error as the API answers it (RFC 9457). It is an error too, so that handlers return it as it is.
type problem struct {
	// Title is the same for every problem of one code.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says what is wrong here, and what to do.
	Detail string `json:"detail"`
	// Code is for programs.
	Code string `json:"code"`
	// RetryAfter is when to try again; 0 where that does not help.
	RetryAfter time.Duration `json:"-"`
	// Bye is what a reader is told instead, where trying again may help.
	Bye store.Reason `json:"-"`
}

// Error returns the detail.
func (p *problem) Error() string { return p.Detail }

// transient reports whether trying again later may help.
func (p *problem) transient() bool { return p.RetryAfter > 0 }

const (
	// unavailableRetry is when to try again what the backplane could not do.
	unavailableRetry = 2 * time.Second
	// overloadedRetry is when to try again a stream that there was no room for.
	overloadedRetry = 5 * time.Second
)

func badRequest(code, format string, args ...any) *problem {
	return &problem{Title: "Bad request", Status: http.StatusBadRequest, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// invalidJSON answers a body that event.ParseDocument does not take.
func invalidJSON(err error) *problem { return badRequest("invalid_json", "%v", err) }

func invalid(format string, args ...any) *problem {
	return &problem{Title: "Invalid", Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: fmt.Sprintf(format, args...)}
}

func tooLarge(code, format string, args ...any) *problem {
	return &problem{Title: "Too large", Status: http.StatusRequestEntityTooLarge, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// problemOf turns an error into the answer that it deserves. What it does not know is an internal error, whose text is
// for the log only.
func problemOf(err error) *problem {
	var known *problem
	var tooLong *http.MaxBytesError
	var fromEcho *echo.HTTPError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooLong):
		return tooLarge("body_too_large", "the body is over %d bytes; send less at a time", tooLong.Limit)
	case credentialProblem(err) != nil:
		return credentialProblem(err)
	case errors.Is(err, backplane.ErrTooManySignals):
		return unavailable("too_many_refusals", "as many tokens and people are refused as can be; wait until some of them have expired, or change the key that signs")
	case errors.Is(err, event.ErrInvalid), errors.Is(err, broker.ErrInvalid):
		return &problem{Title: "Invalid", Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: err.Error()}
	case errors.Is(err, broker.ErrTooLarge):
		return tooLarge("event_too_large", "%v", err)
	case errors.Is(err, broker.ErrDraining):
		p := unavailable("draining", "this node is being stopped; ask another one")
		p.Bye = store.ReasonDraining
		return p
	case errors.Is(err, broker.ErrStarting):
		return unavailable("starting", "this node is not yet connected to its backplane; try again")
	case errors.Is(err, backplane.ErrUnavailable), errors.Is(err, backplane.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable("unavailable", "the backplane did not answer; try again, a publish with the same key: whether its event was stored is not known")
	case errors.As(err, &fromEcho):
		return &problem{Title: http.StatusText(fromEcho.Code), Status: fromEcho.Code, Code: "http", Detail: fmt.Sprint(fromEcho.Message)}
	default:
		return &problem{Title: "Internal error", Status: http.StatusInternalServerError, Code: "internal", Detail: "this is a fault of the node; its log says more"}
	}
}

// credentialProblem returns the answer to a credential that does not do; nil for other errors.
func credentialProblem(err error) *problem {
	switch {
	case errors.Is(err, auth.ErrNoToken):
		return unauthorized("token_missing", err)
	case errors.Is(err, auth.ErrInvalidToken):
		return unauthorized("token_invalid", err)
	case errors.Is(err, auth.ErrExpired):
		return unauthorized("token_expired", err)
	case errors.Is(err, auth.ErrRefused):
		return unauthorized("token_refused", err)
	case errors.Is(err, auth.ErrTicket):
		return unauthorized("ticket_invalid", err)
	case errors.Is(err, auth.ErrKeysUnavailable):
		return unavailable("keys_unavailable", err.Error())
	case errors.Is(err, auth.ErrOrigin):
		return &problem{Title: "Forbidden", Status: http.StatusForbidden, Code: "origin", Detail: err.Error()}
	case errors.Is(err, auth.ErrForbidden):
		return &problem{Title: "Forbidden", Status: http.StatusForbidden, Code: "forbidden", Detail: err.Error()}
	default:
		return nil
	}
}

func unauthorized(code string, err error) *problem {
	return &problem{Title: "Unauthorized", Status: http.StatusUnauthorized, Code: code, Detail: err.Error()}
}

func unavailable(code, detail string) *problem {
	return &problem{Title: "Unavailable", Status: http.StatusServiceUnavailable, Code: code, Detail: detail, RetryAfter: unavailableRetry, Bye: store.ReasonUnavailable}
}

func overloaded(code, detail string) *problem {
	return &problem{Title: "Overloaded", Status: http.StatusServiceUnavailable, Code: code, Detail: detail, RetryAfter: overloadedRetry, Bye: store.ReasonOverloaded}
}

// write answers a request with the problem.
func (p *problem) write(c echo.Context) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode problem: %w", err)
	}
	if p.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		challenge := "Bearer" // RFC 9110, section 15.5.2
		if p.Code != "token_missing" && p.Code != "unauthorized" {
			challenge += ` error="invalid_token"` // RFC 6750, section 3.1
		}
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
	}
	if c.Request().Method == http.MethodHead {
		c.Response().Header().Set(echo.HeaderContentType, problemType)
		return c.NoContent(p.Status)
	}
	return c.Blob(p.Status, problemType, append(body, '\n'))
}

// problemType is the media type of RFC 9457, section 6.1.
const problemType = "application/problem+json"
