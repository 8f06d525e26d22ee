package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// readBytes is what a reader's goroutine reads at a time.
const readBytes = 4 << 10

// goroutines serves each reader with a goroutine of its own, until ctx ends.
func (s *shard) goroutines(ctx context.Context) error {
	turns := make(chan struct{}, s.bound)
	var wait sync.WaitGroup
	for i := range s.readers {
		wait.Go(func() { s.follow(ctx, &s.readers[i], turns) }) // joined below
	}
	wait.Wait()
	return nil
}

// follow makes a reader's connections, one after the other.
func (s *shard) follow(ctx context.Context, r *reader, turns chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		err := s.connection(ctx, r, turns)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.over(r, err)
		ended, wait := r.phase == phaseEnded, r.wake-s.clock()
		s.mu.Unlock()
		if ended {
			return
		}
		timer.Reset(wait)
	}
}

// connection makes one connection, and reads it to its end.
func (s *shard) connection(ctx context.Context, r *reader, turns chan struct{}) error {
	select {
	case turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := s.open(ctx, r)
	if err != nil {
		<-turns
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:errcheck // to end its read
	defer func() {
		stop()
		_ = conn.Close() //nolint:errcheck // nothing is lost with it
	}()
	first := true
	buffer := make([]byte, readBytes)
	for {
		n, err := conn.Read(buffer)
		if first {
			<-turns
			first = false
		}
		if err = s.arrived(conn, r, buffer[:n], err); err != nil {
			return err
		}
	}
}

// source is what a reader reads: a connection of its own, or a stream of one. What is under way has connectTimeout to come.
type source interface {
	io.ReadCloser
	SetReadDeadline(at time.Time) error
}

// open connects and sends the request.
func (s *shard) open(ctx context.Context, r *reader) (source, error) {
	s.mu.Lock()
	if r.phase == phaseEnded { // abandoned
		s.mu.Unlock()
		return nil, errFinal
	}
	s.begin(r)
	e := s.endpoints[r.endpoint(len(s.endpoints))]
	request := s.appendRequest(nil, e, r)
	s.mu.Unlock()
	var conn source
	var err error
	if e.http2 != nil {
		conn, err = e.open(ctx, request)
	} else {
		conn, err = s.connect(ctx, e, request)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.phase == phaseConnecting {
		s.move(r, phaseAsking)
	}
	return conn, nil
}

// connect makes a connection and sends the request on it.
func (s *shard) connect(ctx context.Context, e endpoint, request []byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := s.dial(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err = conn.SetDeadline(time.Now().Add(connectTimeout)); err == nil {
		_, err = conn.Write(request)
	}
	if err != nil {
		_ = conn.Close() //nolint:errcheck // nothing is lost with it
		return nil, fmt.Errorf("send request: %w", err)
	}
	return conn, nil
}

func (s *shard) dial(ctx context.Context, e endpoint) (net.Conn, error) {
	if !e.secure {
		return new(net.Dialer).DialContext(ctx, "tcp", e.address)
	}
	return (&tls.Dialer{Config: &tls.Config{ServerName: e.name, RootCAs: s.roots, NextProtos: []string{"http/1.1"}}}).DialContext(ctx, "tcp", e.address)
}

// arrived takes what was read, and says how long to wait for more.
func (s *shard) arrived(conn source, r *reader, b []byte, failed error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.feed(r, b); err != nil {
		return err
	}
	if errors.Is(failed, os.ErrDeadlineExceeded) {
		return errSilent
	}
	if failed != nil {
		return fmt.Errorf("read: %w", failed)
	}
	wait := r.silence
	if r.phase == phaseParting {
		wait = max(r.wake-s.clock(), 0)
	}
	return conn.SetReadDeadline(time.Now().Add(wait))
}
