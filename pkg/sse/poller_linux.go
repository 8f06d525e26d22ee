//go:build !portable

package sse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// pollEvents is how many events one epoll_wait(2) returns at most.
	pollEvents = 256
	// interest is what is asked for every socket. With edge triggering (epoll(7)) one that nothing happens to costs nothing.
	// Room to write is asked for when there was none: almost every socket has it all its life.
	interest = syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, whose constant is negative
)

// poller sees what happens to sockets whose descriptors have left the runtime.
//
// The runtime waits on the epoll descriptor as it does on any other, so that no thread is blocked in epoll_wait.
type poller struct {
	cfg     Config
	scratch sync.Pool // of *[gathered]byte

	mu      sync.Mutex
	epoll   *os.File // nil before the first take or run
	fd      int      // its descriptor
	ended   bool
	sockets []slot
	free    []uint32 // slots
	stalls  deadlines
	closes  deadlines
}

// slot is a place for one socket at a time. Events name the slot and its generation, because descriptors are used again:
// one that was fetched before its socket was closed must not meet the next one.
type slot struct {
	socket     *socket
	generation uint32
}

func newPoller(cfg Config) *poller {
	p := &poller{cfg: cfg, scratch: sync.Pool{New: func() any { return new([gathered]byte) }}}
	p.stalls = deadlines{after: cfg.WriteTimeout, due: (*socket).lookStalled}
	p.closes = deadlines{after: cfg.CloseTimeout, due: (*socket).giveUp}
	return p
}

// take moves the descriptor of conn out of the runtime.
func (p *poller) take(conn net.Conn, head []byte) (Detached, error) {
	owned, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errNotPolled
	}
	raw, err := owned.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("look for the descriptor: %w", err)
	}
	if _, err = p.open(); err != nil {
		return nil, err
	}
	var fd uintptr
	var failed syscall.Errno
	if err = raw.Control(func(theirs uintptr) {
		fd, _, failed = syscall.Syscall(syscall.SYS_FCNTL, theirs, syscall.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return nil, fmt.Errorf("look at the descriptor: %w", err)
	}
	if failed != 0 {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	_ = conn.Close() //nolint:errcheck // it closes the runtime's own descriptor, not the connection
	return &socket{poller: p, fd: int32(fd), slot: unpolled, head: &head}, nil
}

// open returns the epoll descriptor, and makes it where there is none.
func (p *poller) open() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, ErrClosed
	}
	if p.epoll != nil {
		return p.epoll, nil
	}
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = syscall.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		return nil, errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(fd))
	}
	p.epoll, p.fd = os.NewFile(uintptr(fd), "epoll"), fd
	return p.epoll, nil
}

// run passes events on until ctx ends.
func (p *poller) run(ctx context.Context) error {
	epoll, err := p.open()
	if err != nil {
		return err
	}
	raw, err := epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("poll sockets: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = epoll.SetReadDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it fails where epoll is closed
	defer stop()
	defer p.end()
	var events [pollEvents]syscall.EpollEvent
	for {
		n := 0
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			n, failed = syscall.EpollWait(int(fd), events[:], 0)
			return n != 0 || failed != nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(failed, syscall.EINTR):
			continue
		case err != nil || failed != nil:
			return fmt.Errorf("poll sockets: %w", errors.Join(err, os.NewSyscallError("epoll_wait", failed)))
		}
		for _, e := range events[:n] {
			if s := p.find(uint32(e.Fd), uint32(e.Pad)); s != nil { //nolint:gosec // what add made signed
				s.happened(e.Events)
			}
		}
	}
}

func (p *poller) find(slot, generation uint32) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.sockets[slot]; at.generation == generation {
		return at.socket
	}
	return nil
}

// add begins to poll a socket. Whatever has happened to it by now is told as an event. It reports an error where run has
// ended.
func (p *poller) add(s *socket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return errStopped
	}
	if len(p.free) == 0 {
		p.free = append(p.free, uint32(len(p.sockets))) //nolint:gosec // as many as there are descriptors
		p.sockets = append(p.sockets, slot{})
	}
	place := p.free[len(p.free)-1]
	at := &p.sockets[place]
	wanted := uint32(interest)
	if s.starved {
		wanted, s.awaited = wanted|syscall.EPOLLOUT, true
	}
	if err := p.control(syscall.EPOLL_CTL_ADD, int(s.fd), wanted, place); err != nil {
		return err
	}
	p.free = p.free[:len(p.free)-1]
	at.socket, s.slot = s, place
	return nil
}

// await has a socket told, from now on, when it can take more.
func (p *poller) await(s *socket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return errStopped
	}
	return p.control(syscall.EPOLL_CTL_MOD, int(s.fd), interest|syscall.EPOLLOUT, s.slot)
}

// control says what is wanted of a descriptor. The caller holds the mutex.
func (p *poller) control(operation, fd int, events, place uint32) error {
	e := syscall.EpollEvent{Events: events, Fd: int32(place), Pad: int32(p.sockets[place].generation)} //nolint:gosec // find makes them unsigned again
	if err := syscall.EpollCtl(p.fd, operation, fd, &e); err != nil {
		return fmt.Errorf("poll socket: %w", os.NewSyscallError("epoll_ctl", err))
	}
	return nil
}

// remove forgets a socket, if add has taken it. Its descriptor is closed next, and with it leaves the epoll set.
func (p *poller) remove(s *socket) {
	if s.slot == unpolled {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := &p.sockets[s.slot]
	at.socket = nil
	at.generation++
	p.free = append(p.free, s.slot)
}

// end breaks off the sockets that are left.
func (p *poller) end() {
	p.mu.Lock()
	p.ended = true
	var left []*socket
	for _, at := range p.sockets {
		if at.socket != nil {
			left = append(left, at.socket)
		}
	}
	_ = p.epoll.Close() //nolint:errcheck // nothing is lost with it
	p.mu.Unlock()
	left = append(left, p.closes.stop()...) // those too that were never polled
	p.stalls.stop()
	for _, s := range left {
		s.breakOff(errStopped)
	}
}

// deadlines are times at which sockets are looked at, all the same while after they were put in: so the first is always the
// next. It is safe for concurrent use.
type deadlines struct {
	after time.Duration
	due   func(*socket)

	mu      sync.Mutex
	waiting []deadline
	timer   *time.Timer
	stopped bool
}

type deadline struct {
	socket *socket
	at     time.Time
}

// put has a socket looked at. It reports false where the poller has ended.
func (d *deadlines) put(s *socket) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.waiting = append(d.waiting, deadline{s, time.Now().Add(d.after)})
	if len(d.waiting) == 1 {
		d.arm()
	}
	return true
}

// arm waits for the first deadline. The caller holds the mutex.
func (d *deadlines) arm() {
	wait := time.Until(d.waiting[0].at)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.sweep)
		return
	}
	d.timer.Reset(wait)
}

// sweep looks at all sockets that are due.
func (d *deadlines) sweep() {
	d.mu.Lock()
	now := time.Now()
	n := 0
	for n < len(d.waiting) && !d.waiting[n].at.After(now) {
		n++
	}
	due := d.waiting[:n:n]
	if d.waiting = d.waiting[n:]; len(d.waiting) > 0 {
		d.arm()
	} else {
		d.waiting = nil
	}
	d.mu.Unlock()
	for _, at := range due {
		d.due(at.socket)
	}
}

// stop looks at nothing any more, and returns what waits.
func (d *deadlines) stop() (waiting []*socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.waiting {
		waiting = append(waiting, at.socket)
	}
	d.stopped, d.waiting = true, nil
	if d.timer != nil {
		d.timer.Stop()
	}
	return waiting
}
