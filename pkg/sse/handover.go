package sse

import (
	"errors"
	"net"
	"sync"
	"time"
)

// maxTaken is the most bytes that a stream takes at a time: enough for one system call to be worth it, little enough that
// what waits for a slow reader stays with the caller, who can drop it.
const maxTaken = 32 << 10

// Owner is told what becomes of its stream. Serve's goroutine calls it; it must not block. A call that is under way when
// the owner closes the stream still arrives.
type Owner interface {
	// Writable says that a stream which took fewer bytes than all can take more.
	Writable()
	// Gone says that the stream ended by itself, once: the reader hung up or stalled, or writing failed. It is not called
	// for a stream that the owner closed.
	Gone(err error)
}

// handover passes bytes from a goroutine that must never wait, which calls Write and Close, to one that may, which calls
// run. It holds one batch at a time. A batch that is not begun grows; one that is begun is left alone until it is written.
type handover struct {
	cfg Config
	// deadline sets the write deadline of the socket, as net.Conn has it. It is called under mu and not after run.
	deadline func(time.Time) error

	mu      sync.Mutex
	change  *sync.Cond // of batch, closed or err
	batch   net.Buffers
	size    int       // of batch, in bytes
	begun   bool      // the batch is being written
	starved bool      // Write took fewer than all since Writable
	closed  bool      // by Close
	by      time.Time // the deadline that is set; zero for none
	err     error     // why the stream ended; the first reason stands
	few     [8][]byte // room for a batch at rest; a larger one is not kept for the next
}

func (h *handover) init(cfg Config, deadline func(time.Time) error) {
	h.cfg, h.deadline = cfg, deadline
	h.change = sync.NewCond(&h.mu)
	h.batch = h.few[:0]
}

// Write takes bytes from the front of blocks, at most 32 KiB together with what it took before and has not begun to
// write, and returns how many: none while a batch is being written, perhaps part of a block. It never blocks. Where it
// took fewer than all, the owner's Writable is called once it can take more. What it took is written in order unless the
// stream ends. The blocks must not be changed until then; the slice that holds them is the caller's again on return.
//
// After the stream has ended it returns why: ErrClosed after Close.
func (h *handover) Write(blocks [][]byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, h.err
	}
	if h.closed {
		return 0, ErrClosed
	}
	room := maxTaken - h.size
	if h.begun {
		room = 0
	}
	taken := 0
	for _, b := range blocks {
		n := min(len(b), room-taken)
		if n > 0 {
			h.batch = append(h.batch, b[:n])
			taken += n
		}
		if n < len(b) {
			h.starved = true
			break
		}
	}
	if taken > 0 {
		h.size += taken
		h.change.Signal()
	}
	return taken, nil
}

// Close ends the stream after what was taken has been written, within Config.CloseTimeout. It returns at once. Nothing is
// taken after it. It can be called more than once.
func (h *handover) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.err != nil {
		return
	}
	h.closed = true
	h.change.Signal()
	if err := h.setDeadline(time.Now().Add(h.cfg.CloseTimeout)); err != nil {
		h.err = err
	}
}

// run writes, with write, what Write takes until the stream has ended. It returns nil where that was by Close and all was
// written.
func (h *handover) run(owner Owner, write func(net.Buffers) error) error {
	for batch := h.next(); batch != nil; batch = h.next() {
		if err := write(batch); err != nil {
			h.fail(err)
		}
		if h.written() {
			owner.Writable()
		}
	}
	closed, err := h.end()
	if !closed {
		owner.Gone(err)
	}
	return err
}

// next waits for a batch and begins it. It returns nil where the stream has ended.
func (h *handover) next() net.Buffers {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.size == 0 && !h.closed && h.err == nil {
		h.change.Wait()
	}
	if h.err != nil || h.size == 0 {
		return nil
	}
	h.begun = true
	return h.batch
}

// arm gives the reader WriteTimeout from now on; where the stream is being closed, the limit of Close stands. It refuses
// where the stream has failed, so that no deadline replaces the one that fail set.
func (h *handover) arm() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || h.closed {
		return h.err
	}
	return h.setDeadline(time.Now().Add(h.cfg.WriteTimeout))
}

// written makes room for the next batch, and reports whether the owner waits for it.
func (h *handover) written() (writable bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.few[:]) // blocks are large and shared: a stream at rest holds none
	h.batch, h.size, h.begun = h.few[:0], 0, false
	if h.err != nil || h.closed {
		return false
	}
	// A deadline of HTTP/2 is a timer that resets the stream, also while nothing is being written.
	if err := h.setDeadline(time.Time{}); err != nil {
		h.err = err
		return false
	}
	writable, h.starved = h.starved, false
	return writable
}

// fail ends the stream and breaks off a write that is under way. What goes wrong after a deadline has passed, passed
// because of it: HTTP/2 reports that as a stream that was reset, or as a context that ended.
func (h *handover) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return
	}
	if !h.by.IsZero() && !time.Now().Before(h.by) {
		err = ErrStalled
	}
	h.err = errors.Join(err, h.setDeadline(time.Unix(1, 0)))
	h.change.Signal()
}

// end says whether the owner closed the stream, and why it ended otherwise. Nothing touches the socket behind it.
func (h *handover) end() (closed bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	err = h.err
	if err == nil {
		h.err = ErrClosed
	}
	return h.closed, err
}

func (h *handover) setDeadline(by time.Time) error {
	h.by = by
	return h.deadline(by)
}
