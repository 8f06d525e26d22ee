package httpapi

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/internal/auth"
)

// Admin returns the handler of the admin listener: health, metrics and profiles. With a token, all but health asks for it
// as a bearer; without one, the listener is for this machine, and requests for another host are refused (DNS rebinding).
func Admin(health *Health, metrics http.Handler, token string, log *slog.Logger) http.Handler {
	e := newEcho(log)
	health.routes(e)
	guarded := e.Group("", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := admit(c.Request(), token); err != nil {
				return err
			}
			return next(c)
		}
	})
	guarded.GET("/metrics", echo.WrapHandler(metrics))
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
