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
	address netip.Prefix
	user    *event.LogName // nil for one that is not counted
	conn    net.Conn       // as it was accepted; nil where it was not taken over
	id      string
	opened  int64 // nanoseconds since 1970

	err    error
	reason store.Reason
	lasts  atomic.Int32 // what of it has not ended yet: the connection of the store, and the socket
}

// begin has the session last until closed and ended have been called, in any order.
func (s *session) begin(id string) {
	s.id, s.opened = id, time.Now().UnixNano()
	s.lasts.Store(2)
	s.api.metrics.ConnectionOpened()
}

// closed takes the end of the store's connection.
func (s *session) closed(reason store.Reason) {
	s.reason = reason
	s.endPart()
}

// ended takes the end of the socket.
func (s *session) ended(err error) {
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
