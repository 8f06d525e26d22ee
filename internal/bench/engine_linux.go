package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	// pollEvents is how many events one epoll_wait(2) returns at most.
	pollEvents = 256
	// tick is how exact a reader's waits are.
	tick = 10 * time.Millisecond
	// interest is what is asked for every socket, once: see epoll(7) on edge triggering.
	interest = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, whose constant is negative
	noFile   = -1
)

// loop serves the readers of a shard with one goroutine: sockets that the runtime knows nothing of, in one epoll set. A reader
// costs its socket and a few hundred bytes. It belongs to that goroutine, but for what the shard's mutex guards.
type loop struct {
	*shard

	epoll     *os.File // the runtime waits on it as on any other, so that no thread is blocked in epoll_wait
	fd        int
	files     []int32 // of readers
	addresses []syscall.Sockaddr
	waiting   []int32 // readers that come back
	next      int     // the first reader that was never connected
	swept     time.Duration
	buffer    []byte
	request   []byte
}

// plain serves readers without TLS until ctx ends.
func (s *shard) plain(ctx context.Context) error {
	l := &loop{shard: s, files: make([]int32, len(s.readers)), buffer: make([]byte, 64<<10)}
	for i := range l.files {
		l.files[i] = noFile
	}
	for _, e := range s.endpoints {
		address, err := sockaddr(e.address)
		if err != nil {
			return err
		}
		l.addresses = append(l.addresses, address)
	}
	var err error
	if l.fd, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err = syscall.SetNonblock(l.fd, true); err != nil { // or the runtime would not poll it
		return errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(l.fd))
	}
	l.epoll = os.NewFile(uintptr(l.fd), "epoll")
	defer l.close()
	return l.run(ctx)
}

// close closes all that is open.
func (l *loop) close() {
	for i := range l.files {
		l.hangUp(i)
	}
	_ = l.epoll.Close() //nolint:errcheck // nothing is lost with it
}

func sockaddr(text string) (syscall.Sockaddr, error) {
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	ip := address.Addr().Unmap()
	if ip.Is4() {
		return &syscall.SockaddrInet4{Port: int(address.Port()), Addr: ip.As4()}, nil
	}
	if ip.Zone() != "" {
		return nil, errors.New("addresses with a zone need --goroutines")
	}
	return &syscall.SockaddrInet6{Port: int(address.Port()), Addr: ip.As16()}, nil
}

// run serves until ctx ends.
func (l *loop) run(ctx context.Context) error {
	raw, err := l.epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("poll sockets: %w", err)
	}
	var events [pollEvents]syscall.EpollEvent
	var due time.Duration
	for ctx.Err() == nil {
		if now := l.clock(); now >= due {
			l.tick(now)
			due = now + tick
			if err = l.epoll.SetReadDeadline(time.Now().Add(tick)); err != nil {
				return fmt.Errorf("poll sockets: %w", err)
			}
		}
		n := 0
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			n, failed = syscall.EpollWait(int(fd), events[:], 0)
			return n != 0 || failed != nil
		})
		switch {
		case errors.Is(failed, syscall.EINTR), errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil || failed != nil:
			return fmt.Errorf("poll sockets: %w", errors.Join(err, os.NewSyscallError("epoll_wait", failed)))
		}
		l.take(events[:n])
	}
	return nil
}

// take takes what has happened to sockets.
func (l *loop) take(events []syscall.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		r := &l.readers[e.Fd]
		if uint32(e.Pad) == r.turn && l.files[e.Fd] != noFile { //nolint:gosec // what dial made signed
			l.happened(int(e.Fd), r, e.Events)
		}
	}
	l.start()
}

// tick connects readers whose time has come, and once a second looks for those that have fallen silent.
func (l *loop) tick(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now-l.swept >= time.Second {
		l.swept = now
		l.sweep(now)
	}
	for at := 0; at < len(l.waiting); {
		i := int(l.waiting[at])
		r := &l.readers[i]
		switch {
		case r.phase == phaseEnded:
		case r.wake > now:
			at++
			continue
		case r.phase == phaseParting: // the server has had its time to end it
			l.end(i, r, nil)
		}
		last := len(l.waiting) - 1
		l.waiting[at] = l.waiting[last]
		l.waiting = l.waiting[:last]
		if r.phase == phaseWaiting {
			l.dial(i, r)
		}
	}
	l.start()
}

func (l *loop) sweep(now time.Duration) {
	for i := range l.readers[:l.next] {
		r := &l.readers[i]
		switch {
		case l.files[i] == noFile:
		case r.phase == phaseEnded:
			l.hangUp(i)
		case now-r.heard > r.silence && r.phase != phaseParting:
			l.end(i, r, errSilent)
		}
	}
}

// start connects readers that never were, as many as may be under way.
func (l *loop) start() {
	for ; l.next < len(l.readers) && l.underWay() < l.bound; l.next++ {
		if r := &l.readers[l.next]; r.phase == phaseIdle {
			l.dial(l.next, r)
		}
	}
}

// dial begins a connection.
func (l *loop) dial(i int, r *reader) {
	l.begin(r)
	address := l.addresses[r.endpoint(len(l.addresses))]
	family := syscall.AF_INET
	if _, six := address.(*syscall.SockaddrInet6); six {
		family = syscall.AF_INET6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		l.end(i, r, os.NewSyscallError("socket", err))
		return
	}
	l.files[i] = int32(fd) //nolint:gosec // descriptors are small
	if err = syscall.Connect(fd, address); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		l.end(i, r, os.NewSyscallError("connect", err))
		return
	}
	if err = syscall.EpollCtl(l.fd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{
		Events: interest, Fd: int32(i), Pad: int32(r.turn), //nolint:gosec // take makes them what they were
	}); err != nil {
		l.end(i, r, os.NewSyscallError("epoll_ctl", err))
	}
}

// end ends a reader's connection and notes why; nil where the server has said so before.
func (l *loop) end(i int, r *reader, why error) {
	l.hangUp(i)
	parting := r.phase == phaseParting
	if l.over(r, why); r.phase == phaseWaiting && !parting { // a parting one has been put there by its goodbye
		l.waiting = append(l.waiting, int32(i)) //nolint:gosec // at most maxReaders
	}
}

func (l *loop) hangUp(i int) {
	if l.files[i] != noFile {
		_ = syscall.Close(int(l.files[i])) //nolint:errcheck // whatever it says, it is closed; and it leaves the epoll set
		l.files[i] = noFile
	}
}

// happened passes an event on.
func (l *loop) happened(i int, r *reader, events uint32) {
	if r.phase == phaseConnecting {
		if err := l.ask(int(l.files[i]), r); err != nil {
			l.end(i, r, err)
			return
		}
	}
	if events&^uint32(syscall.EPOLLOUT) == 0 || r.phase == phaseConnecting {
		return
	}
	before := r.phase
	err := l.read(int(l.files[i]), r, events&^uint32(syscall.EPOLLOUT|syscall.EPOLLIN) != 0)
	if before != phaseParting && r.phase == phaseParting {
		l.waiting = append(l.waiting, int32(i)) //nolint:gosec // at most maxReaders
	}
	if err != nil {
		l.end(i, r, err)
	}
}

// ask sends the request, once the connection is there.
func (l *loop) ask(fd int, r *reader) error {
	code, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	l.request = l.appendRequest(l.request[:0], l.endpoints[r.endpoint(len(l.endpoints))], r)
	n, err := syscall.Write(fd, l.request)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOTCONN): // too early
		return nil
	case err != nil:
		return fmt.Errorf("send request: %w", err)
	case n < len(l.request): // a buffer that is empty takes more than headers may have
		return fmt.Errorf("send request: %w", io.ErrShortWrite)
	}
	l.move(r, phaseAsking)
	return nil
}

// read reads what there is. Where it was less than was asked for there is no more, unless the other side has hung up: the end
// is told only once.
func (l *loop) read(fd int, r *reader, hungUp bool) error {
	for {
		n, err := syscall.Read(fd, l.buffer)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return io.EOF
		}
		if err = l.feed(r, l.buffer[:n]); err != nil {
			return err
		}
		if n < len(l.buffer) && !hungUp {
			return nil
		}
	}
}
