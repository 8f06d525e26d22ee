package sse_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// stream is what both kinds have in common.
type stream interface {
	Write(blocks [][]byte) (int, error)
	Close()
	Serve(ctx context.Context, owner sse.Owner) error
}

// owner notes what it is told.
type owner struct {
	writable chan struct{}
	gone     chan error
}

func newOwner() owner { return owner{make(chan struct{}, 1000), make(chan error, 10)} }

func (o owner) Writable()      { o.writable <- struct{}{} }
func (o owner) Gone(err error) { o.gone <- err }

// serving runs a stream, and gives what Serve returned.
func serving(ctx context.Context, s stream, o owner) <-chan error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, o) }()
	return served
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "it did not come", what)
		panic("unreachable")
	}
}

// pump hands over all bytes as a shard does, and says how many of its calls were taken only in part.
func pump(t *testing.T, s stream, o owner, blocks [][]byte) (partial int) {
	t.Helper()
	blocks = slices.Clone(blocks)
	for {
		n, err := s.Write(blocks)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 32<<10)
		for len(blocks) > 0 && n >= len(blocks[0]) {
			n -= len(blocks[0])
			blocks = blocks[1:]
		}
		if len(blocks) == 0 {
			return partial
		}
		if n > 0 {
			partial++
			blocks[0] = blocks[0][n:]
		}
		within(t, o.writable, "Writable")
	}
}

// pattern returns blocks of odd sizes, and all of them joined.
func pattern(count int) (blocks [][]byte, joined []byte) {
	for i := range count {
		block := make([]byte, 1+i*37%3000)
		for j := range block {
			block[j] = byte(i + j)
		}
		blocks = append(blocks, block)
		joined = append(joined, block...)
	}
	return blocks, joined
}

func pipe(t *testing.T, cfg sse.Config) (s *sse.Hijacked, reader net.Conn) {
	t.Helper()
	conn, reader := net.Pipe()
	s, err := sse.NewHijacked(conn, nil, cfg)
	require.NoError(t, err)
	return s, reader
}

// skipHead reads the head of the answer.
func skipHead(t *testing.T, r io.Reader) {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		_, err := io.ReadFull(r, b)
		require.NoError(t, err)
		head = append(head, b...)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	require.NoError(t, sse.DefaultConfig().Validate())
	err := sse.Config{CloseTimeout: time.Minute}.Validate()
	require.EqualError(t, err, "WriteTimeout: 0s is under 1ms\nCloseTimeout: 1m0s is not 1ms to 10s")
	require.Error(t, sse.Config{WriteTimeout: time.Second}.Validate())
}

func TestWriteBeforeServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.DefaultConfig())
		n, err := s.Write([][]byte{[]byte("data: a\n\n"), nil, {}})
		require.NoError(t, err)
		require.Equal(t, 9, n)
		n, err = s.Write([][]byte{[]byte("data: b\n\n"), bytes.Repeat([]byte("x"), 40<<10), []byte("never")})
		require.NoError(t, err)
		require.Less(t, n, 32<<10-9, "the head and the first block count")
		require.Greater(t, n, 31<<10)
		s.Close()
		s.Close()
		_, err = s.Write([][]byte{[]byte("data: late\n\n")})
		require.ErrorIs(t, err, sse.ErrClosed)

		o := newOwner()
		served := serving(t.Context(), s, o)
		skipHead(t, reader)
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, "data: a\n\ndata: b\n\nxx", string(got[:20]))
		require.Len(t, got, 9+n)
		require.NoError(t, <-served)
		require.Empty(t, o.gone)
		require.Empty(t, o.writable, "a stream that is closed takes nothing more")
		_, err = s.Write([][]byte{[]byte("data: late\n\n")})
		require.ErrorIs(t, err, sse.ErrClosed)
	})
}

func TestWriteTakesNothingWhileABatchIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.DefaultConfig())
		o := newOwner()
		served := serving(t.Context(), s, o)
		synctest.Wait() // the head is being written
		for range 3 {
			n, err := s.Write([][]byte{[]byte("data: a\n\n")})
			require.NoError(t, err)
			require.Zero(t, n)
		}
		n, err := s.Write([][]byte{nil, {}})
		require.NoError(t, err)
		require.Zero(t, n)
		skipHead(t, reader)
		synctest.Wait()
		require.Len(t, o.writable, 1, "once, however often it was asked")
		<-o.writable

		n, err = s.Write([][]byte{[]byte("data: a\n\n")})
		require.NoError(t, err)
		require.Equal(t, 9, n)
		_, err = io.ReadFull(reader, make([]byte, 9))
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, o.writable, "who got all does not wait")

		require.NoError(t, reader.Close())
		require.ErrorIs(t, <-served, sse.ErrHungUp)
		require.ErrorIs(t, <-o.gone, sse.ErrHungUp)
		_, err = s.Write([][]byte{[]byte("data: a\n\n")})
		require.ErrorIs(t, err, sse.ErrHungUp)
		s.Close()
		require.Empty(t, o.gone, "told once")
	})
}

// The slices that Write takes are kept until they are written; the slice of slices is the caller's.
func TestWriteDoesNotKeepTheOuterSlice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.DefaultConfig())
		var blocks [][]byte
		for i := range 20 { // more than rest in the stream itself
			blocks = append(blocks, bytes.Repeat([]byte{'a' + byte(i)}, 3))
		}
		_, err := s.Write(blocks)
		require.NoError(t, err)
		clear(blocks)
		s.Close()
		served := serving(t.Context(), s, newOwner())
		skipHead(t, reader)
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, "aaabbbcccdddeeefffggghhhiiijjjkkklllmmmnnnooopppqqqrrrsssttt", string(got))
		require.NoError(t, <-served)
	})
}

func TestReaderThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := sse.Config{WriteTimeout: 10 * time.Second, CloseTimeout: time.Second}
		s, reader := pipe(t, cfg)
		o := newOwner()
		served := serving(t.Context(), s, o)
		skipHead(t, reader)
		synctest.Wait()
		idle := time.NewTimer(time.Hour)
		<-idle.C
		require.Empty(t, o.gone, "silence is no stall")

		n, err := s.Write([][]byte{make([]byte, 100), make([]byte, 100)})
		require.NoError(t, err)
		require.Equal(t, 200, n)
		tick := time.NewTicker(9 * time.Second)
		defer tick.Stop()
		for range 149 {
			<-tick.C
			_, err = io.ReadFull(reader, make([]byte, 1))
			require.NoError(t, err, "a slow reader is no stalled one")
		}
		last := time.Now()
		require.ErrorIs(t, <-o.gone, sse.ErrStalled)
		require.Greater(t, time.Since(last), cfg.WriteTimeout)
		require.LessOrEqual(t, time.Since(last), 2*cfg.WriteTimeout)
		require.ErrorIs(t, <-served, sse.ErrStalled)
		_, err = reader.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "the connection is closed")
	})
}

func TestCloseGivesUpOnAReaderThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.Config{WriteTimeout: time.Hour, CloseTimeout: 3 * time.Second})
		o := newOwner()
		served := serving(t.Context(), s, o)
		skipHead(t, reader)
		synctest.Wait()
		_, err := s.Write([][]byte{[]byte("data: a\n\n")})
		require.NoError(t, err)
		_, err = io.ReadFull(reader, make([]byte, 2))
		require.NoError(t, err)
		start := time.Now()
		s.Close()
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, <-served, sse.ErrStalled)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Empty(t, o.gone, "its owner closed it")
	})
}

// half is a pipe that can be shut down one way, as TCP can.
type half struct {
	net.Conn

	once sync.Once
	shut chan struct{}
}

func (h *half) CloseWrite() error {
	h.once.Do(func() { close(h.shut) })
	return nil
}

func TestCloseWaitsForTheReaderToHangUp(t *testing.T) {
	t.Parallel()
	for name, hangUp := range map[string]bool{"it does": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn, reader := net.Pipe()
				h := &half{Conn: conn, shut: make(chan struct{})}
				s, err := sse.NewHijacked(h, nil, sse.Config{WriteTimeout: time.Hour, CloseTimeout: 3 * time.Second})
				require.NoError(t, err)
				s.Close()
				start := time.Now()
				served := serving(t.Context(), s, newOwner())
				skipHead(t, reader)
				<-h.shut
				synctest.Wait()
				require.Empty(t, served)
				if hangUp {
					require.NoError(t, reader.Close())
				}
				require.NoError(t, <-served)
				if hangUp {
					require.Zero(t, time.Since(start))
				} else {
					require.Equal(t, 3*time.Second, time.Since(start))
				}
			})
		})
	}
}

func TestCloseOfAStreamAtRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.DefaultConfig())
		o := newOwner()
		served := serving(t.Context(), s, o)
		skipHead(t, reader)
		synctest.Wait()
		start := time.Now()
		s.Close()
		require.NoError(t, <-served)
		require.Zero(t, time.Since(start))
		require.Empty(t, o.gone)
	})
}

func TestInputIsDiscardedUpToALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reader := pipe(t, sse.DefaultConfig())
		o := newOwner()
		served := serving(t.Context(), s, o)
		skipHead(t, reader)
		_, err := reader.Write(make([]byte, 4<<10))
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, o.gone)
		_, err = reader.Write([]byte("x"))
		require.NoError(t, err)
		require.ErrorIs(t, <-o.gone, sse.ErrInput)
		require.ErrorIs(t, <-served, sse.ErrInput)
	})
}

func TestEndOfContextBreaksOff(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]bool{"while it waits": true, "while it writes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, reader := pipe(t, sse.DefaultConfig())
				o := newOwner()
				ctx, cancel := context.WithCancelCause(t.Context())
				served := serving(ctx, s, o)
				if head {
					skipHead(t, reader)
				}
				synctest.Wait()
				start := time.Now()
				cancel(io.ErrNoProgress)
				require.ErrorIs(t, <-served, io.ErrNoProgress)
				require.ErrorIs(t, <-o.gone, io.ErrNoProgress)
				require.Zero(t, time.Since(start))
			})
		})
	}
}
