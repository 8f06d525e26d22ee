package httpapi

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
)

// AdminConfig is what the admin listener works with.
type AdminConfig struct {
	// Token is what callers present; empty for none.
	Token string
	// Health is the node's.
	Health *Health
	// Metrics serves them.
	Metrics http.Handler
	// All administers all nodes.
	All Administration
	// Verify says whose a token is.
	Verify func(ctx context.Context, token string) (auth.Principal, error)
	// Drain begins to stop the node, as SIGTERM does, and returns at once.
	Drain func()
}

// Admin returns the handler of the admin listener: health, metrics, profiles and administration. With a token, all but
// health asks for it as a bearer; without one, the listener is for this machine, and requests for another host are refused
// (DNS rebinding), as are those that a web page can send without asking.
func Admin(cfg AdminConfig, log *slog.Logger) http.Handler {
	e := newEcho(log)
	cfg.Health.routes(e)
	guarded := e.Group("", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := admit(c.Request(), cfg.Token); err != nil {
				return err
			}
			return next(c)
		}
	})
	console{cfg.All, cfg.Health, cfg.Verify, cfg.Drain}.routes(guarded)
	guarded.GET("/metrics", echo.WrapHandler(cfg.Metrics))
	guarded.GET("/debug/pprof/*", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	guarded.GET("/debug/pprof/cmdline", echo.WrapHandler(http.HandlerFunc(pprof.Cmdline)))
	guarded.GET("/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	guarded.GET("/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	guarded.GET("/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	return e
}

func admit(r *http.Request, token string) error {
	if token == "" {
		if !auth.IsLoopback(r.Host) {
			return fmt.Errorf("%w: the admin listener serves localhost only unless admin_token is set", auth.ErrForbidden)
		}
		if r.Method != http.MethodGet && r.Header.Get("Origin") != "" {
			return fmt.Errorf("%w: the admin listener takes no orders of web pages; set admin_token, and send it", auth.ErrForbidden)
		}
		return nil
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
		return &problem{
			Title: "Unauthorized", Status: http.StatusUnauthorized, Code: "unauthorized",
			Detail: "send the admin token: Authorization: Bearer TOKEN",
		}
	}
	return nil
}
