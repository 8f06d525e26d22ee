//go:build !portable

package sse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// gathered is the most bytes of several blocks that are copied together for one write(2), which is cheaper than a vector of
// them while they are small. A larger block is written by itself.
const gathered = 16 << 10

// socket is a stream on a descriptor of its own. Its owner writes to it; the poller tells what happens to it.
type socket struct {
	poller *poller
	owner  Owner   // nil before Start
	ender  Ender   // the same
	head   *[]byte // of the answer, what of it is not written yet; nil for most

	mu      sync.Mutex
	fd      int32 // -1 once it is closed
	slot    uint32
	queued  int32 // bytes that its side had not acknowledged when it began to be watched
	input   int32 // bytes that the reader has sent
	starved bool  // Write took fewer than all since Writable
	awaited bool  // the poller asks for room
	watched bool  // it stands among the poller's stalls
	closed  bool  // by Close
	moved   bool  // the reader has taken something since it is watched
	err     error
}

// Write writes to the socket.
func (s *socket) Write(blocks [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.closed {
		return 0, ErrClosed
	}
	taken, err := s.writeAll(blocks)
	if err != nil {
		s.err = err
	}
	return taken, err
}

// writeAll writes blocks, and the head before them, until the socket takes no more. The head does not count.
func (s *socket) writeAll(blocks [][]byte) (taken int, err error) {
	if s.head == nil && len(blocks) == 1 {
		return s.write(blocks[0])
	}
	buffer, _ := s.poller.scratch.Get().(*[gathered]byte)
	defer s.poller.scratch.Put(buffer)
	for s.head != nil || len(blocks) > 0 {
		begun := buffer[:0]
		if s.head != nil {
			begun = append(begun, *s.head...)
		}
		piece, count := gather(begun, blocks)
		if len(piece) == 0 && count == 0 {
			piece, count = blocks[0], 1
		}
		n, err := s.write(piece)
		taken += max(0, n-len(begun))
		s.cutHead(n)
		if err != nil || n < len(piece) {
			return taken, err
		}
		blocks = blocks[count:]
	}
	return taken, nil
}

// cutHead notes that so many bytes were written, and the head first.
func (s *socket) cutHead(n int) {
	if s.head == nil {
		return
	}
	if n >= len(*s.head) {
		s.head = nil
		return
	}
	*s.head = (*s.head)[n:]
}

// gather appends whole blocks from the front to a buffer, as many as there is room for.
func gather(buffer []byte, blocks [][]byte) (joined []byte, count int) {
	for count < len(blocks) && len(buffer)+len(blocks[count]) <= cap(buffer) {
		buffer = append(buffer, blocks[count]...)
		count++
	}
	return buffer, count
}

// write writes what the socket takes of one piece.
func (s *socket) write(piece []byte) (taken int, err error) {
	for taken < len(piece) {
		n, err := syscall.Write(int(s.fd), piece[taken:])
		switch {
		case err == nil:
			taken += n
		case errors.Is(err, syscall.EAGAIN):
			return taken, s.starve()
		case !errors.Is(err, syscall.EINTR):
			return taken, hungUp("write", err)
		}
	}
	return taken, nil
}

// starve notes that the reader has to take something before more can be written. The caller holds the mutex.
func (s *socket) starve() error {
	s.starved = true
	if !s.watched {
		s.watched, s.moved = true, false
		s.queued = s.outstanding()
		s.poller.stalls.put(s)
	}
	if s.slot == unpolled || s.awaited {
		return nil // Start will ask for room; or it has been asked for, and is told each time that there is some again
	}
	s.awaited = true
	return s.poller.await(s)
}

// outstanding returns how many bytes the reader's side has not acknowledged: SIOCOUTQ, tcp(7).
func (s *socket) outstanding() int32 {
	var n int32
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s.fd), syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); failed != 0 { //nolint:gosec // ioctl(2) writes an int
		return 0
	}
	return n
}

// lookStalled ends a stream whose reader has taken nothing since the last look.
func (s *socket) lookStalled() {
	s.mu.Lock()
	s.watched = false
	waits := s.starved && s.err == nil && !s.closed
	if waits && (s.moved || s.outstanding() < s.queued) {
		waits = s.starve() != nil
	}
	s.mu.Unlock()
	if waits {
		s.fail(ErrStalled)
	}
}

// Start begins to poll.
func (s *socket) Start(owner Owner, ender Ender) {
	s.mu.Lock()
	s.owner, s.ender = owner, ender
	if s.fd < 0 {
		err := s.err
		s.mu.Unlock()
		ender.Ended(err)
		return
	}
	err := s.poller.add(s)
	s.mu.Unlock()
	if err != nil {
		s.breakOff(err)
	}
}

// happened takes an event of the poller's.
func (s *socket) happened(events uint32) {
	s.mu.Lock()
	if s.fd < 0 {
		s.mu.Unlock()
		return
	}
	var gone error
	if events&^syscall.EPOLLOUT != 0 {
		gone = s.discard()
	}
	writable := events&syscall.EPOLLOUT != 0 && s.starved && gone == nil && s.err == nil && !s.closed
	if writable {
		s.starved, s.moved = false, true
	}
	owner, closed := s.owner, s.closed
	s.mu.Unlock()
	switch {
	case gone != nil && closed:
		s.giveUp()
	case gone != nil:
		s.fail(gone)
	case writable:
		owner.Writable()
	}
}

// discard reads what the reader has sent: up to a limit, because it has no reason to. It returns an error where the reader
// has hung up or sent too much.
func (s *socket) discard() error {
	var buffer [1024]byte
	for {
		n, err := syscall.Read(int(s.fd), buffer[:])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return hungUp("read", err)
		case n == 0:
			return fmt.Errorf("%w: %w", ErrHungUp, io.EOF)
		default:
			if s.input += int32(n); s.input > maxInput { //nolint:gosec // no more than the buffer has
				return ErrInput
			}
		}
	}
}

// fail ends the stream by itself. The descriptor stays until the owner has closed the stream, so that it writes to no other.
func (s *socket) fail(err error) {
	s.mu.Lock()
	if s.err != nil || s.closed {
		s.mu.Unlock()
		return
	}
	s.err = err
	owner := s.owner
	s.mu.Unlock()
	if owner != nil {
		owner.Gone(err)
	}
}

// Close says that nothing follows, and leaves it to the reader to hang up: to close a connection that has unread input
// resets it, and the reader may lose the last blocks (RFC 9112, section 9.6).
func (s *socket) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.err == nil && s.head != nil {
		_, s.err = s.write(*s.head)
	}
	if s.err == nil {
		s.err = hungUp("shutdown", syscall.Shutdown(int(s.fd), syscall.SHUT_WR))
	}
	waits := s.err == nil && s.poller.closes.put(s)
	s.mu.Unlock()
	if !waits {
		s.giveUp()
	}
}

// breakOff ends the stream because it is not polled any more.
func (s *socket) breakOff(err error) {
	s.fail(err)
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		s.giveUp()
	}
}

// giveUp closes the descriptor of a stream that was closed.
func (s *socket) giveUp() {
	s.mu.Lock()
	if s.fd < 0 {
		s.mu.Unlock()
		return
	}
	s.poller.remove(s)
	_ = syscall.Close(int(s.fd)) //nolint:errcheck // Linux frees it whatever it says
	s.fd = -1
	ender, err := s.ender, s.err
	s.mu.Unlock()
	if ender != nil {
		ender.Ended(err)
	}
}

// unpolled is the slot of a socket that the poller does not know.
const unpolled = ^uint32(0)

func hungUp(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrHungUp, os.NewSyscallError(call, err))
}
