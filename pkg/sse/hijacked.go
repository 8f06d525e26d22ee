package sse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// maxInput is the most bytes that a reader may send behind its request. It has no reason to send any, but proxies have been
// seen to pass on a stray line end.
const maxInput = 4 << 10

// Hijacked is a stream on a plain HTTP/1.1 connection that was taken over from net/http: none of its buffers, no chunks,
// one system call for all blocks of a batch (on a *net.TCPConn). The answer ends with the connection.
//
// One goroutine calls Write and Close, which never block; another one calls Serve, once. Write and Close can come before
// Serve.
type Hijacked struct {
	handover

	conn net.Conn
}

// NewHijacked returns a stream on conn whose first bytes are the head of a 200 with these headers, see appendHead. It
// starts nothing: Serve writes them, with what Write took by then. An error wraps ErrField; conn is then still the
// caller's.
func NewHijacked(conn net.Conn, header http.Header, cfg Config) (*Hijacked, error) {
	head, err := appendHead(nil, header)
	if err != nil {
		return nil, err
	}
	return newHijacked(conn, head, cfg), nil
}

func newHijacked(conn net.Conn, head []byte, cfg Config) *Hijacked {
	s := &Hijacked{conn: conn}
	s.init(cfg, conn.SetWriteDeadline)
	s.batch, s.size = append(s.batch, head), len(head)
	return s
}

// Serve writes what Write takes, and blocks until the stream has ended: by Close; by the reader, which hangs up, stalls or
// talks; or by the end of ctx, which breaks it off. It closes the connection and waits for all it started. It returns why
// the stream ended, nil for Close: an error that wraps ErrHungUp, ErrStalled or ErrInput, or the cause of ctx.
func (s *Hijacked) Serve(ctx context.Context, owner Owner) error {
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	discarded := make(chan struct{})
	// Owner: Serve. Join: discarded, below, which the closed connection or its deadline brings about.
	go func() {
		defer close(discarded)
		s.fail(discard(s.conn))
	}()
	err := s.run(owner, s.write)
	if err == nil {
		err = s.shutdown(ctx, discarded)
	}
	err = errors.Join(err, s.conn.Close())
	<-discarded
	return err
}

// write writes one batch. The deadline moves on with every piece that the reader takes.
func (s *Hijacked) write(batch net.Buffers) error {
	for {
		if err := s.arm(); err != nil {
			return err
		}
		n, err := batch.WriteTo(s.conn)
		if err == nil {
			return nil
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: %w", ErrHungUp, err)
		}
	}
}

// shutdown says that nothing follows, and leaves it to the reader to hang up: to close a connection that has unread input
// resets it, and the reader may lose the last blocks (RFC 9112, section 9.6).
func (s *Hijacked) shutdown(ctx context.Context, discarded <-chan struct{}) error {
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := errors.Join(half.CloseWrite(), s.conn.SetReadDeadline(time.Now().Add(s.cfg.CloseTimeout))); err != nil {
		return fmt.Errorf("%w: %w", ErrHungUp, err)
	}
	select {
	case <-discarded:
	case <-ctx.Done(): // the connection is closed next
	}
	return nil
}

// discard reads until the reader hangs up, or has sent too much. It always returns an error.
func discard(conn net.Conn) error {
	buffer := make([]byte, 128) // small: every stream has one
	for left := maxInput; left >= 0; {
		n, err := conn.Read(buffer)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrHungUp, err)
		}
		left -= n
	}
	return ErrInput
}
