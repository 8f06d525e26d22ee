package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// ticket answers POST /tickets: a name for the caller's credential that may stand in a URL, because it is good once, and
// not for long.
func (a *API) ticket(c echo.Context) error {
	principal, err := a.auth.TicketHolder(c.Request())
	if err != nil {
		return a.refuseTicket(err)
	}
	id, age, err := a.auth.Ticket(c.Request().Context(), principal)
	if err != nil {
		return a.refuseTicket(err)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}{id, int(age / time.Second)})
}

func (a *API) refuseTicket(err error) error {
	a.metrics.TicketRefused(problemOf(err).Code)
	return err
}
