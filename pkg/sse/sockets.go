package sse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Detached is a stream that needs nobody's goroutine: whoever took its connection over may return.
//
// One goroutine calls Write and Close, which never block; they can come before Start.
type Detached interface {
	// Write takes bytes from the front of blocks, as many as it can, and returns how many: perhaps part of a block. It
	// never blocks. Where it took fewer than all, the owner's Writable is called once it can take more. What it took is
	// written in order unless the stream ends. The blocks must not be changed until then; the slice that holds them is the
	// caller's again on return.
	//
	// After the stream has ended it returns why: ErrClosed after Close.
	Write(blocks [][]byte) (int, error)
	// Close ends the stream after what was taken has been written, and gives the reader up to Config.CloseTimeout to hang
	// up. It returns at once. Nothing is taken after it. Every stream has to be closed, one that is gone too; it can be
	// closed more than once.
	Close()
	// Start has the owner told what becomes of the stream, and the ender of its end. It is called once and returns at once.
	Start(owner Owner, ender Ender)
}

// Ender is told of the end of a connection.
type Ender interface {
	// Ended is called once, when the connection has been closed and Close was called: with nil where that was the end, else
	// with an error that wraps ErrHungUp, ErrStalled or ErrInput, or with the cause of the end of Run. It must not block; it
	// may be called by Start or Close themselves.
	Ended(err error)
}

// Sockets takes connections over from net/http and owns them. On Linux a connection costs no goroutine: its owner writes to
// the socket itself, and one poller for all of them sees who has hung up and who can take more. Elsewhere, and for a
// connection that has no descriptor, goroutines do that. It is safe for concurrent use.
type Sockets struct {
	cfg    Config
	poller *poller

	mu       sync.Mutex
	ended    bool
	breakOff map[*served]context.CancelCauseFunc
	serving  sync.WaitGroup
}

// NewSockets returns sockets that are bounded by cfg. It starts nothing; Run has to be called.
func NewSockets(cfg Config) *Sockets {
	return &Sockets{cfg: cfg, poller: newPoller(cfg), breakOff: make(map[*served]context.CancelCauseFunc)}
}

// errStopped is the cause of streams that Run's end breaks off.
var errStopped = fmt.Errorf("%w: the sockets were closed", ErrClosed)

// Run looks after the streams until ctx ends, and then breaks off those that are left. It is called once.
func (s *Sockets) Run(ctx context.Context) error {
	err := s.poller.run(ctx)
	s.mu.Lock()
	s.ended = true
	for _, cancel := range s.breakOff {
		cancel(errStopped)
	}
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

// Take makes a stream of a plain HTTP/1.1 connection whose first bytes are the head of a 200 with these headers, see
// appendHead. The connection is the stream's from then on. An error wraps ErrField, or comes from the system; conn is then
// still the caller's.
func (s *Sockets) Take(conn net.Conn, header http.Header) (Detached, error) {
	head, err := appendHead(nil, header)
	if err != nil {
		return nil, err
	}
	polled, err := s.poller.take(conn, head)
	if !errors.Is(err, errNotPolled) {
		if err != nil {
			return nil, fmt.Errorf("take over connection: %w", err)
		}
		return polled, nil
	}
	return &served{Hijacked: newHijacked(conn, head, s.cfg), sockets: s, closed: make(chan struct{})}, nil
}

// errNotPolled says that a connection needs goroutines.
var errNotPolled = errors.New("not a descriptor that can be polled")

// served is a Hijacked with goroutines of its own.
type served struct {
	*Hijacked

	sockets *Sockets
	once    sync.Once
	closed  chan struct{}
}

// Close ends the stream.
func (s *served) Close() {
	s.Hijacked.Close()
	s.once.Do(func() { close(s.closed) })
}

// Start serves the stream.
func (s *served) Start(owner Owner, ender Ender) {
	all := s.sockets
	ctx, cancel := context.WithCancelCause(context.Background())
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.ended {
		cancel(errStopped)
	}
	all.breakOff[s] = cancel
	all.serving.Go(func() { // joined by Run
		err := s.Serve(ctx, owner)
		<-s.closed
		all.mu.Lock()
		delete(all.breakOff, s)
		all.mu.Unlock()
		cancel(nil)
		ender.Ended(err)
	})
}
