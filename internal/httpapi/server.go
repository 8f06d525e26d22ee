package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// core is the broker, as far as HTTP needs it.
type core interface {
	Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result
	Subscribe(ctx context.Context, r broker.Request) (*broker.Subscription, error)
	End(log event.LogName, match func(store.Info) bool, reason store.Reason, done func(ended int))
	Ready() error
}

// Authenticator says who a request speaks for. It is safe for concurrent use.
type Authenticator interface {
	Principals
	Origins
}

// Principals authenticates requests. Errors are those of package auth, or of the backplane where a ticket cannot be looked up.
type Principals interface {
	// Reader is for a stream. A ticket is used up, except by HEAD.
	Reader(r *http.Request) (auth.Principal, error)
	// Publisher is for publishing.
	Publisher(r *http.Request) (auth.Principal, error)
	// TicketHolder is for a ticket.
	TicketHolder(r *http.Request) (auth.Principal, error)
	// Ticket makes one, good once within age.
	Ticket(ctx context.Context, p auth.Principal) (id string, age time.Duration, err error)
	// Refused reports whether the principal's credential has been taken back.
	Refused(p auth.Principal) bool
}

// Origins says what pages may do.
type Origins interface {
	// AllowsOrigin reports whether scripts of a web origin may read answers.
	AllowsOrigin(origin string) bool
	// Credentials reports whether they may send cookies along.
	Credentials() bool
}

// Metrics counts what HTTP does. It is safe for concurrent use.
type Metrics interface {
	// ConnectionOpened counts a stream that began.
	ConnectionOpened()
	// ConnectionClosed counts a stream that ended, and why.
	ConnectionClosed(reason string)
	// Refused counts a stream that was refused, and why.
	Refused(reason string)
	// TicketRefused counts a ticket that was refused, and why.
	TicketRefused(reason string)
	// PublishRefused counts an event that was refused, and why.
	PublishRefused(reason string)
}

// API is the public listener's handler.
type API struct {
	cfg       Config
	core      core
	auth      Authenticator
	health    *Health
	log       *slog.Logger
	metrics   Metrics
	streams   sse.Config
	sockets   *sse.Sockets
	admission *admission
	users     *users
	desk      *desk
	bodies    *bodies
	rate      *rate.Limiter
}

// New returns the public listener's API. It starts nothing; Run has to be called.
//
//nolint:revive // one caller, the composition root, and each argument is another part of the node
func New(cfg Config, c core, a Authenticator, health *Health, log *slog.Logger, metrics Metrics) *API {
	api := &API{cfg: cfg, core: c, auth: a, health: health, log: log, metrics: metrics}
	api.streams = sse.DefaultConfig()
	api.streams.WriteTimeout = cfg.WriteTimeout
	api.sockets = sse.NewSockets(api.streams)
	api.admission = newAdmission(cfg.Connections, cfg.ConnectionsPerAddress)
	api.users = newUsers(cfg.ConnectionsPerUser)
	api.desk = newDesk(cfg.TicketsPerReader)
	api.bodies = newBodies(cfg.BodiesBytes, cfg.BodyBytes)
	health.room = api.admission.room
	limit := rate.Inf
	if cfg.PublishRate > 0 {
		limit = rate.Limit(cfg.PublishRate)
	}
	api.rate = rate.NewLimiter(limit, cfg.PublishBurst)
	return api
}

// Handler returns the routes.
func (a *API) Handler() http.Handler {
	e := newEcho(a.log)
	e.IPExtractor = clientAddress(a.cfg.TrustedProxies)
	e.Use(middleware.CORSWithConfig(middleware.CORSConfig{
		Skipper:          func(c echo.Context) bool { return c.Path() == scriptPath }, // it is for pages of every origin
		AllowCredentials: a.auth.Credentials(),
		AllowOriginFunc:  func(origin string) (bool, error) { return a.auth.AllowsOrigin(origin), nil },
		AllowMethods:     []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowHeaders:     []string{"Last-Event-ID", "Content-Type", "Idempotency-Key", "Authorization", "Cache-Control"},
		ExposeHeaders:    []string{"Retry-After"},
		MaxAge:           600,
	}))
	e.GET("/events", a.subscribe)
	e.HEAD("/events", a.subscribe)
	e.POST("/events", a.publish)
	e.POST("/tickets", a.ticket)
	e.Match([]string{http.MethodGet, http.MethodHead}, scriptPath, script())
	a.health.routes(e)
	if a.cfg.Page {
		a.page(e)
	}
	return e
}

// Run looks after the streams that were taken over from net/http until ctx ends, and then breaks off those that are left. It is
// called once.
func (a *API) Run(ctx context.Context) error {
	if err := a.sockets.Run(ctx); err != nil {
		return fmt.Errorf("look after streams: %w", err)
	}
	return nil
}

// Wait returns when all streams have ended, their last bytes written as far as their readers took them; or with its error
// when ctx ends first. http.Server.Shutdown does not wait for connections that were taken over. One caller at a time.
func (a *API) Wait(ctx context.Context) error { return a.admission.wait(ctx) }

// newEcho returns an echo for either listener: it answers every error as a problem.
func newEcho(log *slog.Logger) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Use(securityHeaders, boundBody)
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError && !p.transient() {
			log.Error("answer request", slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.Any("error", err))
		}
		if c.Response().Committed {
			return // nothing but what was begun may follow
		}
		if err := p.write(c); err != nil {
			log.Debug("write problem", slog.Any("error", err))
		}
	}
	return e
}

// securityHeaders are those of every answer. nosniff: data is never run as something else. no-referrer: the names in our
// URLs stay here.
func securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		return next(c)
	}
}

// bodyTimeout is how long a request's body may take to arrive.
const bodyTimeout = 30 * time.Second

// boundBody bounds the time in which a request's body has to arrive. One that comes byte by byte would hold its connection
// for ever, also where the answer needs none of it: net/http reads on, to find the next request.
func boundBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Body != http.NoBody {
			if err := http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
				return fmt.Errorf("set body deadline: %w", err)
			}
		}
		return next(c)
	}
}
