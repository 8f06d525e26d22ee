package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// session is what a stream holds for as long as it lasts: its places among the limits. It is small, because there are many.
type session struct {
	api     *API
	address netip.Addr     // of the reader; zero where that is not known
	user    *event.LogName // nil for one that is not counted
	conn    net.Conn       // as it was accepted; nil where it was not taken over
	opened  int64          // nanoseconds since 1970

	lasts  atomic.Int32 // what of it has not ended yet: the connection of the store, and the socket
	reason store.Reason // why the connection ended
	id     string       // of the connection, once it has ended
	err    error        // of the socket
}

// begin has the session last until Closed and Ended have been called, in any order.
func (s *session) begin() {
	s.opened = time.Now().UnixNano()
	s.lasts.Store(2)
	s.api.metrics.ConnectionOpened()
}

// Address is where the reader is.
func (s *session) Address() string {
	if !s.address.IsValid() {
		return ""
	}
	return s.address.String()
}

// Closed takes the end of the store's connection.
func (s *session) Closed(id string, reason store.Reason) {
	s.id, s.reason = id, reason
	s.endPart()
}

// Ended takes the end of the socket.
func (s *session) Ended(err error) {
	s.err = err
	s.endPart()
}

func (s *session) endPart() {
	if s.lasts.Add(-1) > 0 {
		return
	}
	s.api.metrics.ConnectionClosed(s.reason.String())
	if ctx := context.Background(); s.api.log.Enabled(ctx, slog.LevelDebug) {
		fields := []slog.Attr{
			slog.String("connection", s.id), slog.String("reason", s.reason.String()), slog.Duration("duration", time.Since(time.Unix(0, s.opened))),
		}
		if s.err != nil {
			fields = append(fields, slog.Any("error", s.err))
		}
		s.api.log.LogAttrs(ctx, slog.LevelDebug, "stream closed", fields...)
	}
	s.release()
}

// release gives up the places.
func (s *session) release() {
	if s.conn != nil {
		_ = s.conn.Close() //nolint:errcheck // it was given away: this only stops counting it
	}
	if s.user != nil {
		s.api.users.leave(*s.user)
	}
	s.api.admission.leave(s.address)
}
