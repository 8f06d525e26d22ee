package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
)

// outcome is how an error is answered. bye is what a reader is told instead; empty where it is the same problem.
type outcome struct {
	err    error
	status int
	code   string
	bye    string
}

// sentinels are all exported errors of the packages that handlers call.
func sentinels() map[string]outcome {
	return map[string]outcome{
		"auth.ErrForbidden":           {auth.ErrForbidden, http.StatusForbidden, "forbidden", ""},
		"auth.ErrOrigin":              {auth.ErrOrigin, http.StatusForbidden, "origin", ""},
		"auth.ErrNoToken":             {auth.ErrNoToken, http.StatusUnauthorized, "token_missing", ""},
		"auth.ErrInvalidToken":        {auth.ErrInvalidToken, http.StatusUnauthorized, "token_invalid", ""},
		"auth.ErrExpired":             {auth.ErrExpired, http.StatusUnauthorized, "token_expired", ""},
		"auth.ErrRefused":             {auth.ErrRefused, http.StatusUnauthorized, "token_refused", ""},
		"auth.ErrTicket":              {auth.ErrTicket, http.StatusUnauthorized, "ticket_invalid", ""},
		"auth.ErrKeysUnavailable":     {auth.ErrKeysUnavailable, http.StatusServiceUnavailable, "keys_unavailable", "unavailable"},
		"backplane.ErrTooLargeSignal": {backplane.ErrTooLargeSignal, http.StatusInternalServerError, "internal", ""}, // names are bounded before
		"backplane.ErrTooManySignals": {backplane.ErrTooManySignals, http.StatusServiceUnavailable, "too_many_refusals", "unavailable"},
		"backplane.ErrClosed":         {backplane.ErrClosed, http.StatusServiceUnavailable, "unavailable", "unavailable"},
		"backplane.ErrNoTicket":       {backplane.ErrNoTicket, http.StatusInternalServerError, "internal", ""}, // auth turns it into its own
		"backplane.ErrRunning":        {backplane.ErrRunning, http.StatusInternalServerError, "internal", ""},  // of Run only
		"backplane.ErrUnavailable":    {backplane.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "unavailable"},
		"broker.ErrDraining":          {broker.ErrDraining, http.StatusServiceUnavailable, "draining", "draining"},
		"broker.ErrInvalid":           {broker.ErrInvalid, http.StatusUnprocessableEntity, "invalid", ""},
		"broker.ErrStarting":          {broker.ErrStarting, http.StatusServiceUnavailable, "starting", "unavailable"},
		"broker.ErrTooLarge":          {broker.ErrTooLarge, http.StatusRequestEntityTooLarge, "event_too_large", ""},
		"event.ErrInvalid":            {event.ErrInvalid, http.StatusUnprocessableEntity, "invalid", ""},
	}
}

// others are errors that come from elsewhere.
func others() map[string]outcome {
	return map[string]outcome{
		"deadline":   {context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable", "unavailable"},
		"cancelled":  {context.Canceled, http.StatusServiceUnavailable, "unavailable", "unavailable"},
		"unexpected": {errors.New("something secret"), http.StatusInternalServerError, "internal", ""},
	}
}

func TestEverySentinelIsListed(t *testing.T) {
	var exported []string
	for name, folder := range map[string]string{
		"auth": "../auth", "backplane": "../../pkg/backplane", "broker": "../../pkg/broker", "event": "../../pkg/event",
	} {
		for _, file := range sources(t, folder) {
			for _, declaration := range file.Decls {
				group, isGroup := declaration.(*ast.GenDecl)
				if !isGroup || group.Tok != token.VAR {
					continue
				}
				for _, spec := range group.Specs {
					values, isValue := spec.(*ast.ValueSpec)
					require.True(t, isValue)
					for _, v := range values.Names {
						if v.IsExported() && strings.HasPrefix(v.Name, "Err") {
							exported = append(exported, name+"."+v.Name)
						}
					}
				}
			}
		}
	}
	var listed []string
	for name := range sentinels() {
		listed = append(listed, name)
	}
	require.ElementsMatch(t, exported, listed, "say how it is answered")
}

func TestEveryErrorHasItsAnswer(t *testing.T) {
	for _, outcomes := range []map[string]outcome{sentinels(), others()} {
		for name, o := range outcomes {
			t.Run(name, func(t *testing.T) {
				for where, err := range map[string]error{"bare": o.err, "wrapped": fmt.Errorf("verb noun: %w", o.err)} {
					core := fakeCore{err: err}
					n := &node{}
					n.serve(t, newAPI(testConfig(), core).Handler())
					n.answers(t, o, where)

					n = &node{}
					n.serveAPI(t, httpapi.New(testConfig(), fakeCore{}, refuser{err}, httpapi.NewHealth(core), slog.New(slog.DiscardHandler), noMetrics{}))
					n.answers(t, o, where+", by auth")
				}
			})
		}
	}
}

// answers checks how a node answers that fails at everything.
func (n *node) answers(t *testing.T, o outcome, where string) {
	t.Helper()
	transient := o.bye != ""
	calls := []call{{method: http.MethodPost, path: "/events", header: []string{jsonType}, body: goodEvent}}
	if o.code != "event_too_large" {
		calls = append(calls, call{method: http.MethodGet, path: "/events"})
	}
	for _, c := range calls {
		a := n.do(t, c)
		p := a.refused(t, o.status, o.code)
		require.Equal(t, transient, a.header.Get("Retry-After") != "", where)
		if o.code == "internal" {
			require.NotContains(t, p.Detail, o.err.Error(), "a fault's text is for the log")
		}
	}
	switch {
	case transient:
		r := n.open(t, "user=alice")
		r.farewell(t, o.bye)
		r.close()
	case len(calls) > 1:
		n.do(t, call{method: http.MethodGet, path: "/events", header: []string{wantStream}}).refused(t, o.status, o.code)
	}
}

func TestFailedBatchTellsEachEvent(t *testing.T) {
	n := &node{}
	n.serve(t, newAPI(testConfig(), fakeCore{err: backplane.ErrUnavailable}).Handler())
	a := n.publish(t, `[`+goodEvent+`,{},`+goodEvent+`]`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, 2, strings.Count(a.body, `"code":"unavailable"`), a.body)
	require.Equal(t, 1, strings.Count(a.body, `"code":"invalid"`), a.body)
}
