package httpapi

import (
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/pkg/broker"
)

// Health answers whether the node lives, and whether a balancer should send it new streams. It is safe for concurrent use.
type Health struct {
	core     interface{ Ready() error }
	room     func() error // set by New; nil for a node without a public listener
	draining atomic.Bool
	held     atomic.Bool
}

// NewHealth returns the health of a node.
func NewHealth(c interface{ Ready() error }) *Health { return &Health{core: c} }

// Drain makes the node not ready from now on, so that balancers turn away before its streams end.
func (h *Health) Drain() { h.draining.Store(true) }

// Hold makes the node not ready until it is taken back: an administrator's word. Streams go on, and new ones are served.
func (h *Health) Hold(held bool) { h.held.Store(held) }

// Ready returns why balancers should not send new streams; nil when they should.
func (h *Health) Ready() error { return h.ready() }

func (h *Health) routes(e *echo.Echo) {
	e.GET("/livez", func(c echo.Context) error { return c.String(http.StatusOK, "alive\n") })
	e.GET("/readyz", func(c echo.Context) error {
		if err := h.ready(); err != nil {
			return err
		}
		return c.String(http.StatusOK, "ready\n")
	})
}

func (h *Health) ready() error {
	if h.draining.Load() {
		return broker.ErrDraining
	}
	if h.held.Load() {
		return unavailable("held", "an administrator has taken this node off (/admin/ready)")
	}
	if err := h.core.Ready(); err != nil || h.room == nil {
		return err
	}
	return h.room()
}
