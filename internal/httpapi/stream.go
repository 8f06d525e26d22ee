package httpapi

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

// maxHold is how long a turned-away reader's stream is held open.
const maxHold = 5 * time.Second

// setStreamHeaders sets the headers of an event stream. Cache-Control: nothing may be stored, nor compressed, which would
// buffer (RFC 9111, section 5.2.2). X-Accel-Buffering: nginx passes every block on at once.
func setStreamHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// open begins a stream. A plain HTTP/1.1 connection is taken over; anything else goes through the response. serve has the
// stream's owner told what becomes of it, and the session of its end; it blocks for as long as the stream needs the response.
func (a *API) open(c echo.Context, s *session) (stream store.Stream, serve func(sse.Owner), err error) {
	r, w := c.Request(), c.Response()
	if r.ProtoMajor != 1 || r.TLS != nil {
		w.WriteHeader(http.StatusOK)
		response := sse.NewResponse(w, a.streams)
		return response, func(owner sse.Owner) { s.Ended(response.Serve(r.Context(), owner)) }, nil
	}
	conn, _, err := w.Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("open stream: %w", err)
	}
	w.Committed = true
	s.conn = conn
	if counted, ok := conn.(interface{ Detach() net.Conn }); ok {
		conn = counted.Detach()
	}
	detached, err := a.sockets.Take(conn, w.Header())
	if err != nil {
		_ = conn.Close() //nolint:errcheck // the first error is the one that matters
		return nil, nil, fmt.Errorf("open stream: %w", err)
	}
	return detached, func(owner sse.Owner) { detached.Start(owner, s) }, nil
}

// refuse answers a request for a stream that cannot be served. A native EventSource gives up for good on any status but
// 200 (HTML, section 9.2.3), so one that may come back is told so in a stream of one block, held open for part of the
// delay: an instant end would draw every new connection here, where a balancer counts connections.
func (a *API) refuse(c echo.Context, err error) error {
	p := problemOf(err)
	a.metrics.Refused(p.Code)
	if !p.transient() || !strings.Contains(c.Request().Header.Get("Accept"), "text/event-stream") {
		return err
	}
	w := c.Response()
	setStreamHeaders(w.Header())
	w.WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	reconnect := p.RetryAfter + rand.N(2*p.RetryAfter)
	envelope := c.QueryParam("envelope") == "1"
	if _, err := w.Write(sse.Controls{}.Bye(envelope, p.Bye.String(), reconnect)); err != nil {
		return fmt.Errorf("write bye: %w", err)
	}
	w.Flush()
	if !a.admission.hold() {
		return nil
	}
	defer a.admission.release()
	hold := time.NewTimer(min(reconnect/2, maxHold))
	defer hold.Stop()
	select {
	case <-hold.C:
	case <-c.Request().Context().Done():
	}
	return nil
}
