package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

// Administration is what an administrator may ask for and do, on all nodes.
type Administration interface {
	Nodes(ctx context.Context) (nodes []admin.Node, complete bool, err error)
	Connections(ctx context.Context, log event.LogName) (admin.Connections, error)
	End(ctx context.Context, log event.LogName) (ended int, complete bool, err error)
	EndConnection(ctx context.Context, tenant event.Tenant, connection string) (ended int, complete bool, err error)
	Refuse(ctx context.Context, r auth.Refusal) (ended int, complete bool, err error)
	Log(ctx context.Context, log event.LogName, after event.Position, limit int) (admin.Entries, error)
}

const (
	// adminBody is the most bytes of a request to the administration.
	adminBody = 16 << 10
	// usualRefusal and mostRefusal are how long tokens are refused.
	usualRefusal = 24 * time.Hour
	mostRefusal  = 30 * 24 * time.Hour
	// usualEvents and mostEvents are how many events of a log are answered at a time.
	usualEvents = 100
	mostEvents  = 1000
)

// console is the part of the admin listener that administers.
type console struct {
	all    Administration
	health *Health
	verify func(ctx context.Context, token string) (auth.Principal, error)
	drain  func()
}

func (k console) routes(g *echo.Group) {
	g.GET("/admin/nodes", k.nodes)
	g.GET("/admin/connections", k.connections)
	g.GET("/admin/log", k.log)
	g.POST("/admin/end", k.end)
	g.POST("/admin/logout", k.logout)
	g.POST("/admin/refuse", k.refuse)
	g.POST("/admin/ready", k.ready)
	g.POST("/admin/drain", func(c echo.Context) error {
		k.drain()
		return c.NoContent(http.StatusAccepted)
	})
}

func (k console) nodes(c echo.Context) error {
	nodes, complete, err := k.all.Nodes(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"nodes": nodes, "complete": complete})
}

// subject is whom a request is about.
type subject struct {
	Tenant     string `json:"tenant"`
	User       string `json:"user"`
	Session    string `json:"session"`
	Connection string `json:"connection"`
	Token      string `json:"token"`
	TokenID    string `json:"token_id"`
	For        string `json:"for"`
}

func (s subject) tenant() (event.Tenant, error) {
	if s.Tenant == "" {
		return event.DefaultTenant(), nil
	}
	return event.ParseTenant(s.Tenant)
}

// reader returns the log of the user or session: who reads it is that user, or has that session.
func (s subject) reader() (log event.LogName, err error) {
	if log.Tenant, err = s.tenant(); err != nil {
		return log, err
	}
	switch {
	case (s.User == "") == (s.Session == ""):
		return log, invalid("name either a user or a session")
	case s.User != "":
		log.Target, err = event.User(s.User)
	default:
		log.Target, err = event.Session(s.Session)
	}
	return log, err
}

func (s subject) period() (time.Duration, error) {
	if s.For == "" {
		return usualRefusal, nil
	}
	d, err := time.ParseDuration(s.For)
	if err != nil || d < time.Second || d > mostRefusal {
		return 0, invalid("for: %s is not a duration of 1s to %s", event.Quote(s.For), "720h")
	}
	return d, nil
}

func (k console) connections(c echo.Context) error {
	log, err := subject{Tenant: c.QueryParam("tenant"), User: c.QueryParam("user"), Session: c.QueryParam("session")}.reader()
	if err != nil {
		return err
	}
	found, err := k.all.Connections(c.Request().Context(), log)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

func (k console) end(c echo.Context) error {
	var s subject
	if err := decodeAdmin(c, &s, `send {"user"}, {"session"} or {"connection"}, and perhaps "tenant"`); err != nil {
		return err
	}
	if s.Token != "" || s.TokenID != "" || s.For != "" || s.Connection != "" && (s.User != "" || s.Session != "") {
		return invalid("name one of user, session and connection, and perhaps a tenant")
	}
	ended, complete, err := k.endOf(c.Request().Context(), s)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"ended": ended, "complete": complete})
}

func (k console) endOf(ctx context.Context, s subject) (ended int, complete bool, err error) {
	if s.Connection != "" {
		var tenant event.Tenant
		if tenant, err = s.tenant(); err != nil {
			return 0, false, err
		}
		return k.all.EndConnection(ctx, tenant, s.Connection)
	}
	log, err := s.reader()
	if err != nil {
		return 0, false, err
	}
	return k.all.End(ctx, log)
}

func (k console) logout(c echo.Context) error {
	var s subject
	if err := decodeAdmin(c, &s, `send {"user"} or {"session"}, and perhaps "tenant" and "for"`); err != nil {
		return err
	}
	if s.Token != "" || s.TokenID != "" || s.Connection != "" {
		return invalid("name a user or a session; a token is refused by /admin/refuse, a connection ended by /admin/end")
	}
	log, err := s.reader()
	if err != nil {
		return err
	}
	period, err := s.period()
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	return k.refuseAll(c, auth.Refusal{Tenant: log.Tenant, Target: log.Target, Before: now, Until: now.Add(period)})
}

func (k console) refuse(c echo.Context) error {
	var s subject
	if err := decodeAdmin(c, &s, `send {"token"}, or {"token_id"} and perhaps "tenant" and "for"`); err != nil {
		return err
	}
	if s.User != "" || s.Session != "" || s.Connection != "" || (s.Token == "") == (s.TokenID == "") {
		return invalid("give either a token or a token_id; a user or session is logged out by /admin/logout")
	}
	if s.Token != "" {
		p, err := k.verify(c.Request().Context(), s.Token)
		if err != nil {
			return notRefusable(err)
		}
		return k.refuseAll(c, auth.Refusal{Tenant: p.Tenant, TokenID: p.TokenID, Until: p.Expires})
	}
	if len(s.TokenID) > auth.MaxTokenID {
		return invalid("token_id: it has %d bytes, the most is %d; give the token itself", len(s.TokenID), auth.MaxTokenID)
	}
	tenant, err := s.tenant()
	if err != nil {
		return err
	}
	period, err := s.period()
	if err != nil {
		return err
	}
	return k.refuseAll(c, auth.Refusal{Tenant: tenant, TokenID: s.TokenID, Until: time.Now().UTC().Add(period)})
}

// notRefusable says why a token cannot be refused. The caller's own credential is in order, so that it is no 401.
func notRefusable(err error) error {
	if p := credentialProblem(err); p != nil && p.Status == http.StatusUnauthorized {
		return invalid("token: %v", err)
	}
	return err
}

func (k console) refuseAll(c echo.Context, r auth.Refusal) error {
	ended, complete, err := k.all.Refuse(c.Request().Context(), r)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"ended": ended, "refused_until": r.Until, "complete": complete})
}

// readiness is the body of POST /admin/ready.
type readiness struct {
	Ready *bool `json:"ready"`
}

func (k console) ready(c echo.Context) error {
	var r readiness
	if err := decodeAdmin(c, &r, `send {"ready": true} or {"ready": false}`); err != nil {
		return err
	}
	if r.Ready == nil {
		return invalid("ready is missing: true or false")
	}
	k.health.Hold(!*r.Ready)
	return c.NoContent(http.StatusNoContent)
}

// logged is an event as an administrator sees it.
type logged struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
	Meta json.RawMessage `json:"meta,omitempty"`
	Time time.Time       `json:"time"`
}

func (k console) log(c echo.Context) error {
	name, err := logOf(c)
	if err != nil {
		return err
	}
	after, limit, err := pageOf(c.QueryParams())
	if err != nil {
		return err
	}
	found, err := k.all.Log(c.Request().Context(), name, after, limit)
	if err != nil {
		return err
	}
	events := make([]logged, len(found.Entries))
	for i, e := range found.Entries {
		events[i] = logged{e.Position.String(), e.Event.Type.String(), e.Event.Data.Bytes(), e.Event.Meta.Bytes(), e.Position.Time()}
	}
	return c.JSON(http.StatusOK, struct {
		Target string          `json:"target"`
		Events []logged        `json:"events"`
		Head   string          `json:"head"`
		Gap    event.GapReason `json:"gap,omitempty"`
		More   bool            `json:"more"`
	}{name.Target.String(), events, found.Head.String(), found.Gap, found.More})
}

func logOf(c echo.Context) (name event.LogName, err error) {
	if name.Tenant, err = (subject{Tenant: c.QueryParam("tenant")}).tenant(); err != nil {
		return name, err
	}
	name.Target, err = event.ParseTarget(c.QueryParam("target"))
	return name, err
}

// pageOf says which part of a log is asked for.
func pageOf(query url.Values) (after event.Position, limit int, err error) {
	if id := query.Get("after"); id != "" {
		if after, err = event.ParsePosition(id); err != nil {
			return after, 0, fmt.Errorf("after: %w", err)
		}
	}
	limit = usualEvents
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostEvents {
			return after, 0, invalid("limit: %s is not 1 to %d", event.Quote(text), mostEvents)
		}
	}
	return after, limit, nil
}
