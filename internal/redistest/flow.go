package redistest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// flow is a connection through a link.
type flow struct {
	link   *Link
	client net.Conn
	stop   chan struct{} // closed by cut

	// Guarded by the link's mutex.
	server net.Conn // nil until it has been reached
	isCut  bool
}

// chunk is what one read returned.
type chunk struct {
	data []byte
	err  error
	at   time.Time
	held bool // it has been counted
}

// cut resets the connection; the link's mutex is held.
func (f *flow) cut() {
	if f.isCut {
		return
	}
	f.isCut = true
	close(f.stop)
	reset(f.client)
	if f.server != nil {
		reset(f.server)
	}
}

// fail cuts the connection because one of its ends has gone.
func (f *flow) fail() {
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	f.cut()
}

// run carries the data of both directions until both have ended.
func (f *flow) run() {
	defer f.forget()
	if !f.awaitPassage(&chunk{at: time.Now()}) {
		return
	}
	server, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", f.link.target)
	if err != nil {
		f.fail()
		return
	}
	if !f.reach(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { f.carry(f.client, server) }) // joined below, like the other
	both.Go(func() { f.carry(server, f.client) })
	both.Wait()
}

// reach notes the connection to the server. It reports false if the flow has been cut in the meantime.
func (f *flow) reach(server net.Conn) bool {
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	if f.isCut {
		reset(server)
		return false
	}
	f.server = server
	return true
}

// forget closes what cut has not closed.
func (f *flow) forget() {
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	delete(f.link.flows, f)
	if f.isCut {
		return
	}
	closeQuietly(f.client)
	if f.server != nil {
		closeQuietly(f.server)
	}
}

// carry takes data from one end to the other, up to the end of the data.
func (f *flow) carry(from, to net.Conn) {
	chunks := make(chan chunk, 64)
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() { f.read(from, chunks) })
	for {
		var c chunk
		select {
		case c = <-chunks:
		case <-f.stop:
			return
		}
		if !f.awaitPassage(&c) {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			f.fail()
			return
		}
		if c.err == nil {
			continue
		}
		if !errors.Is(c.err, io.EOF) || closeWrite(to) != nil {
			f.fail()
		}
		return
	}
}

// read passes on what it reads up to the first error, with the error.
func (f *flow) read(from net.Conn, chunks chan<- chunk) {
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		c := chunk{data: buf[:n], err: err, at: time.Now()}
		f.link.hold(&c) // what waits behind others, too
		select {
		case chunks <- c:
		case <-f.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// awaitPassage waits until data may pass. It reports false if the flow is cut before.
func (f *flow) awaitPassage(c *chunk) bool {
	f.link.mu.Lock()
	delay := f.link.delay
	f.link.mu.Unlock()
	timer := time.NewTimer(time.Until(c.at.Add(delay)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.stop:
		return false
	}
	// The link may have become a black hole again before this goroutine went on.
	for {
		f.link.hold(c)
		f.link.mu.Lock()
		open, passes := f.link.open, f.link.passes()
		f.link.mu.Unlock()
		if passes {
			return true
		}
		select {
		case <-open:
		case <-f.stop:
			return false
		}
	}
}

// reset closes a connection with a reset instead of an orderly end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) //nolint:errcheck // it fails if the other side was first
	}
	closeQuietly(conn)
}

func closeQuietly(conn net.Conn) {
	_ = conn.Close() //nolint:errcheck // it fails if the other side was first
}

func closeWrite(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	return tcp.CloseWrite()
}
