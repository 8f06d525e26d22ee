package sse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// kinds are the two ways in which sockets are owned: each has to pass the same tests.
var kinds = map[string]func(net.Conn) net.Conn{
	"poller": func(conn net.Conn) net.Conn { return conn },
	"goroutines": func(conn net.Conn) net.Conn { // it shows no descriptor
		half, _ := conn.(halfCloser)
		return struct{ halfCloser }{half}
	},
}

type halfCloser interface {
	net.Conn

	CloseWrite() error
}

// taken is a stream that was taken over, and the two ends of it.
type taken struct {
	sse.Detached
	owner

	reader net.Conn
	ended  chan error
}

// plant gives tests sockets of one kind that run until the test ends.
type plant struct {
	*sse.Sockets

	hide   func(net.Conn) net.Conn
	listen net.Listener
	stop   context.CancelFunc
	ran    chan error
}

// eachKind runs a test for both kinds.
func eachKind(t *testing.T, cfg sse.Config, test func(t *testing.T, p *plant)) {
	t.Helper()
	for name, hide := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &plant{Sockets: sse.NewSockets(cfg), hide: hide, ran: make(chan error, 1)}
			var err error
			p.listen, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var ctx context.Context
			ctx, p.stop = context.WithCancel(context.WithoutCancel(t.Context()))
			go func() { p.ran <- p.Run(ctx) }() // joined by the cleanup
			t.Cleanup(func() {
				p.stop()
				require.NoError(t, within(t, p.ran, "the end of Run"))
				require.NoError(t, p.listen.Close())
			})
			test(t, p)
		})
	}
}

// connect returns both ends of a connection.
func (p *plant) connect(t *testing.T) (server, reader net.Conn) {
	t.Helper()
	reader, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.listen.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	require.NoError(t, reader.SetDeadline(time.Now().Add(patience)))
	server, err = p.listen.Accept()
	require.NoError(t, err)
	return server, reader
}

// take returns a stream that is not started.
func (p *plant) take(t *testing.T, header http.Header) *taken {
	t.Helper()
	server, reader := p.connect(t)
	stream, err := p.Take(p.hide(server), header)
	require.NoError(t, err)
	return &taken{Detached: stream, owner: newOwner(), reader: reader, ended: make(chan error, 2)}
}

// open returns a stream whose reader has read the head.
func (p *plant) open(t *testing.T) *taken {
	t.Helper()
	s := p.take(t, nil)
	s.start()
	s.say(t, ": open\n\n")
	skipHead(t, s.reader)
	_, err := io.ReadFull(s.reader, make([]byte, 8))
	require.NoError(t, err)
	return s
}

// say writes a block, all of it: one that is still being written may hold it up.
func (s *taken) say(t *testing.T, text string) {
	t.Helper()
	for left := []byte(text); len(left) > 0; {
		n, err := s.Write([][]byte{left})
		require.NoError(t, err)
		if left = left[n:]; len(left) > 0 {
			within(t, s.writable, "Writable")
		}
	}
}

// ender passes the end of a stream on.
type ender chan error

func (e ender) Ended(err error) { e <- err }

func (s *taken) start() { s.Start(s.owner, ender(s.ended)) }

// drown writes all that the socket takes until the stream is gone, and returns why.
func (s *taken) drown() error {
	block := make([]byte, 32<<10)
	for {
		n, err := s.Write([][]byte{block})
		if err != nil {
			return err // who writes is told by that, and not by Gone
		}
		if n == len(block) {
			continue
		}
		select {
		case <-s.writable:
		case err := <-s.gone:
			return err
		case <-time.After(patience):
			return errors.New("the stream is neither writable nor gone")
		}
	}
}

func TestSocketsDeliverEverythingInOrder(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		s := p.take(t, http.Header{"X-Some": {"thing"}})
		first := []byte("data: before the start\n\n")
		n, err := s.Write([][]byte{first})
		require.NoError(t, err)
		require.Equal(t, len(first), n)
		s.start()
		blocks, want := pattern(3000)
		got := make(chan []byte, 1)
		go func() { // ends with the stream
			answer, err := io.ReadAll(s.reader)
			if err == nil {
				_ = s.reader.Close()
			}
			got <- answer
		}()
		for len(blocks) > 0 {
			n, err := s.Write(blocks[:min(50, len(blocks))])
			require.NoError(t, err)
			for len(blocks) > 0 && n >= len(blocks[0]) {
				n -= len(blocks[0])
				blocks = blocks[1:]
			}
			if n > 0 {
				blocks[0] = blocks[0][n:]
				within(t, s.writable, "Writable")
			}
		}
		s.Close()
		answer := within(t, got, "the end of the stream")
		head, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
		require.Contains(t, string(head), "HTTP/1.1 200 OK\r\n")
		require.Contains(t, string(head), "X-Some: thing\r\n")
		require.Equal(t, string(first), string(body[:len(first)]))
		require.True(t, bytes.Equal(want, body[len(first):]), "every byte, in order")
		require.NoError(t, within(t, s.ended, "ended"))
		require.Empty(t, s.gone)
	})
}

func TestSocketsTellThatAReaderHungUp(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		require.NoError(t, s.reader.Close())
		require.ErrorIs(t, within(t, s.gone, "Gone"), sse.ErrHungUp)
		_, err := s.Write([][]byte{[]byte("data: late\n\n")})
		require.ErrorIs(t, err, sse.ErrHungUp)
		require.Empty(t, s.ended, "it is its owner's until that closes it")
		s.Close()
		s.Close()
		require.ErrorIs(t, within(t, s.ended, "ended"), sse.ErrHungUp)
		require.Empty(t, s.ended, "told once")
		require.Empty(t, s.gone, "told once")
	})
}

func TestSocketsTellAHangUpBeforeTheStart(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		s := p.take(t, nil)
		require.NoError(t, s.reader.Close())
		s.start()
		require.ErrorIs(t, within(t, s.gone, "Gone"), sse.ErrHungUp)
		s.Close()
		require.ErrorIs(t, within(t, s.ended, "ended"), sse.ErrHungUp)
	})
}

func TestSocketsEndAStreamThatWasNeverWritten(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		s := p.take(t, nil)
		s.Close()
		_, err := s.Write([][]byte{[]byte("data: late\n\n")})
		require.ErrorIs(t, err, sse.ErrClosed)
		s.start()
		skipHead(t, s.reader)
		rest, err := io.ReadAll(s.reader)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, s.reader.Close())
		require.NoError(t, within(t, s.ended, "ended"))
	})
}

func TestSocketsWaitForTheReaderToHangUp(t *testing.T) {
	t.Parallel()
	cfg := sse.Config{WriteTimeout: time.Minute, CloseTimeout: 300 * time.Millisecond}
	eachKind(t, cfg, func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		began := time.Now()
		_, err := s.reader.Write([]byte("unread input would reset the connection"))
		require.NoError(t, err)
		s.say(t, "data: last\n\n")
		s.Close()
		require.NoError(t, within(t, s.ended, "ended"))
		require.GreaterOrEqual(t, time.Since(began), cfg.CloseTimeout)
		rest, err := io.ReadAll(s.reader)
		require.NoError(t, err)
		require.Equal(t, "data: last\n\n", string(rest))
	})
}

func TestSocketsEndAReaderThatStalls(t *testing.T) {
	t.Parallel()
	cfg := sse.Config{WriteTimeout: time.Second, CloseTimeout: 100 * time.Millisecond}
	eachKind(t, cfg, func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		require.ErrorIs(t, s.drown(), sse.ErrStalled)
		s.Close()
		require.ErrorIs(t, within(t, s.ended, "ended"), os.ErrDeadlineExceeded)
	})
}

func TestSocketsKeepAReaderThatIsSlow(t *testing.T) {
	t.Parallel()
	cfg := sse.Config{WriteTimeout: 2 * time.Second, CloseTimeout: 50 * time.Millisecond}
	eachKind(t, cfg, func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		require.NoError(t, s.reader.SetDeadline(time.Now().Add(3*patience)))
		gone := make(chan error, 1)
		go func() { gone <- s.drown() }() // joined below
		tick := time.NewTicker(cfg.WriteTimeout / 20)
		defer tick.Stop()
		for range 60 {
			<-tick.C
			_, err := io.CopyN(io.Discard, s.reader, 256<<10)
			require.NoError(t, err)
		}
		require.Empty(t, gone)
		require.NoError(t, s.reader.Close())
		require.ErrorIs(t, within(t, gone, "Gone"), sse.ErrHungUp)
		s.Close()
	})
}

func TestSocketsKeepAReaderThatIsSilent(t *testing.T) {
	t.Parallel()
	cfg := sse.Config{WriteTimeout: 50 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}
	eachKind(t, cfg, func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		idle := time.NewTimer(6 * cfg.WriteTimeout)
		<-idle.C
		require.Empty(t, s.gone, "silence is no stall")
		s.Close()
		require.NoError(t, within(t, s.ended, "ended"))
	})
}

func TestSocketsDiscardInputUpToALimit(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		s := p.open(t)
		for range 8 {
			_, err := s.reader.Write(make([]byte, 512))
			require.NoError(t, err)
		}
		s.say(t, "data: still here\n\n")
		_, err := io.ReadFull(s.reader, make([]byte, len("data: still here\n\n")))
		require.NoError(t, err)
		require.Empty(t, s.gone)
		_, err = s.reader.Write([]byte("x"))
		require.NoError(t, err)
		require.ErrorIs(t, within(t, s.gone, "Gone"), sse.ErrInput)
		s.Close()
		require.ErrorIs(t, within(t, s.ended, "ended"), sse.ErrInput)
	})
}

func TestTheEndOfRunBreaksStreamsOff(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.Config{WriteTimeout: time.Minute, CloseTimeout: 10 * time.Second}, func(t *testing.T, p *plant) {
		t.Helper()
		open, closing := p.open(t), p.open(t)
		closing.Close()
		p.stop()
		require.ErrorIs(t, within(t, open.gone, "Gone"), sse.ErrClosed)
		open.Close()
		require.ErrorIs(t, within(t, open.ended, "ended"), sse.ErrClosed)
		within(t, closing.ended, "ended")
	})
}

// A descriptor is used again as soon as it is closed: nothing of one reader may reach the next one that has its number.
func TestSocketsThatComeAndGoAreNotTakenForEachOther(t *testing.T) {
	t.Parallel()
	eachKind(t, sse.DefaultConfig(), func(t *testing.T, p *plant) {
		t.Helper()
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() { // joined below
				for i := range 60 {
					p.visit(t, fmt.Sprintf("%d-%d;", worker, i), i)
				}
			})
		}
		all.Wait()
	})
}

// visit connects, reads what is only for this reader, and leaves in one of several ways.
func (p *plant) visit(t *testing.T, word string, way int) {
	t.Helper()
	conn, reader := p.pair(t)
	defer func() { _ = reader.Close() }()
	stream, err := p.Take(p.hide(conn), nil)
	if err != nil {
		t.Errorf("take: %v", err)
		return
	}
	o, ended := newOwner(), make(chan error, 1)
	stream.Start(o, ender(ended))
	want := bytes.Repeat([]byte(word), 100)
	for left := want; len(left) > 0; {
		n, err := stream.Write([][]byte{left[:min(len(left), 64)]})
		if err != nil {
			t.Errorf("write: %v", err)
			return
		}
		if left = left[n:]; n == 0 {
			<-o.writable
		}
	}
	if way%3 == 0 {
		stream.Close()
	}
	var got []byte
	for buffer := make([]byte, 4096); len(got) == 0 || !bytes.HasSuffix(got, want); {
		n, err := reader.Read(buffer)
		if got = append(got, buffer[:n]...); err != nil {
			break
		}
	}
	if _, body, _ := bytes.Cut(got, []byte("\r\n\r\n")); !bytes.Equal(body, want) {
		t.Errorf("reader of %s got %q", word, body)
	}
	if way%3 == 1 {
		stream.Close()
	}
	_ = reader.Close()
	if way%3 == 2 {
		<-o.gone
	}
	stream.Close()
	<-ended
}

// pair is connect for goroutines other than the test's.
func (p *plant) pair(t *testing.T) (server, reader net.Conn) {
	t.Helper()
	accepted := make(chan net.Conn)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Errorf("listen: %v", err)
		return nil, nil
	}
	defer func() { _ = l.Close() }()
	go func() { // ends with the listener
		if conn, failed := l.Accept(); failed == nil {
			accepted <- conn
		}
	}()
	reader, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Errorf("dial: %v", err)
		return nil, nil
	}
	return <-accepted, reader
}
