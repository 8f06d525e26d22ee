package sse

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// Response is a stream through net/http: for HTTP/2 and TLS, and wherever a connection cannot be taken over.
//
// One goroutine calls Write and Close, which never block; another one, the HTTP handler's, calls Serve, once, and does not
// return without that. Write and Close can come before Serve.
type Response struct {
	handover

	w          http.ResponseWriter
	controller *http.ResponseController
}

// NewResponse returns a stream on w, whose headers the caller has set. It starts nothing. w has to be able to flush and to
// set a write deadline, itself or one that it unwraps to.
func NewResponse(w http.ResponseWriter, cfg Config) *Response {
	s := &Response{w: w, controller: http.NewResponseController(w)}
	s.init(cfg, s.controller.SetWriteDeadline)
	return s
}

// Serve writes what Write takes, and blocks until the stream has ended: by Close; by the reader, which hangs up or stalls;
// or by the end of ctx, which is the request's and ends when the reader hangs up. It does not touch the response behind
// it; the handler returns then. It returns why the stream ended, nil for Close: an error that wraps ErrHungUp or
// ErrStalled.
func (s *Response) Serve(ctx context.Context, owner Owner) error {
	stop := context.AfterFunc(ctx, func() { s.fail(fmt.Errorf("%w: %w", ErrHungUp, context.Cause(ctx))) })
	defer stop()
	return s.run(owner, s.write)
}

// write writes one batch. How much of it has left is hidden by buffers, so that the deadline is one for all of it.
func (s *Response) write(batch net.Buffers) error {
	if err := s.arm(); err != nil {
		return err
	}
	for _, b := range batch {
		if _, err := s.w.Write(b); err != nil {
			return fmt.Errorf("%w: %w", ErrHungUp, err)
		}
	}
	if err := s.controller.Flush(); err != nil {
		return fmt.Errorf("%w: %w", ErrHungUp, err)
	}
	return nil
}
