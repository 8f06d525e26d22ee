package sse_test

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

func TestDecoderTellsOwnFieldsFromInheritedOnes(t *testing.T) {
	t.Parallel()
	got := decodeAll(t, "id: 1\nretry: 5\ndata: a\n\ndata: b\n\nid: \x00\ndata: c\n\nid\ndata: d\n\n")
	require.Equal(t, []sse.Message{
		{ID: "1", HasID: true, Type: "message", Data: "a", Retry: 5 * time.Millisecond, HasRetry: true},
		{ID: "1", Type: "message", Data: "b"},
		{ID: "1", Type: "message", Data: "c"},
		{HasID: true, Type: "message", Data: "d"},
	}, got)
}

func TestDecoderMovesTheLastEventIDAtTheBlankLine(t *testing.T) {
	t.Parallel()
	d := sse.NewDecoder(100)
	feed := func(s string) { require.NoError(t, d.Feed([]byte(s), func(sse.Message) error { return nil })) }
	feed("id: 1\ndata: a\n")
	require.Empty(t, d.LastEventID())
	feed("\nid: 2\n")
	require.Equal(t, "1", d.LastEventID())
	feed("\n")
	require.Equal(t, "2", d.LastEventID())
}

func TestDecoderRetryBeyondADuration(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{"9223372036855", "99999999999999999999999999"} {
		d := sse.NewDecoder(100)
		require.NoError(t, d.Feed([]byte("retry: "+digits+"\n"), nil))
		wait, ok := d.Retry()
		require.True(t, ok)
		require.Equal(t, time.Duration(math.MaxInt64).Truncate(time.Millisecond), wait)
	}
}

func TestDecoderReset(t *testing.T) {
	t.Parallel()
	d := sse.NewDecoder(20)
	var got []sse.Message
	collect := func(m sse.Message) error {
		got = append(got, m)
		return nil
	}
	require.NoError(t, d.Feed([]byte("retry: 7\nid: 1\ndata: a\n\nid: 2\nevent: x\ndata: lost\nda"), collect))
	d.Reset(d.LastEventID())
	require.NoError(t, d.Feed([]byte("\uFEFFdata: b\n\n"), collect), "the mark is removed from every stream")
	require.Equal(t, []sse.Message{
		{ID: "1", HasID: true, Type: "message", Data: "a", Retry: 7 * time.Millisecond, HasRetry: true},
		{ID: "1", Type: "message", Data: "b"},
	}, got)
	wait, ok := d.Retry()
	require.True(t, ok)
	require.Equal(t, 7*time.Millisecond, wait)

	require.ErrorIs(t, d.Feed([]byte(strings.Repeat("x", 21)), collect), sse.ErrTooLarge)
	require.ErrorIs(t, d.Feed([]byte("\n"), collect), sse.ErrTooLarge, "the error stays")
	d.Reset("")
	require.NoError(t, d.Feed([]byte("\r"), collect))
	d.Reset("")
	require.NoError(t, d.Feed([]byte("\ndata: c\n\n"), collect))
	require.Equal(t, sse.Message{Type: "message", Data: "c"}, got[len(got)-1])
}

func TestDecoderEndsWithTheErrorOfYield(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	d := sse.NewDecoder(100)
	calls := 0
	yield := func(sse.Message) error {
		calls++
		return enough
	}
	require.ErrorIs(t, d.Feed([]byte("data: a\n\ndata: b\n\n"), yield), enough)
	require.ErrorIs(t, d.Feed([]byte("data: c\n\n"), yield), enough)
	require.Equal(t, 1, calls)
}

func TestDecoderDoesNotKeepTheChunk(t *testing.T) {
	t.Parallel()
	d := sse.NewDecoder(100)
	var got []sse.Message
	for _, part := range []string{"id: 1\nevent: t\ndata: a", "b\n\nda"} {
		chunk := []byte(part)
		require.NoError(t, d.Feed(chunk, func(m sse.Message) error {
			got = append(got, m)
			return nil
		}))
		for i := range chunk {
			chunk[i] = '#'
		}
	}
	require.Equal(t, []sse.Message{{ID: "1", HasID: true, Type: "t", Data: "ab"}}, got)
}

func TestReader(t *testing.T) {
	t.Parallel()
	const stream = "id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: b\n\nid: 4\n\nid: 5\ndata: cut off\n"
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		source io.Reader
		end    error
	}{
		"whole":                {strings.NewReader(stream), io.EOF},
		"byte by byte":         {iotest.OneByteReader(strings.NewReader(stream)), io.EOF},
		"end with the data":    {iotest.DataErrReader(strings.NewReader(stream)), io.EOF},
		"broken":               {io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken)), broken},
		"broken at an instant": {iotest.DataErrReader(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken))), broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decoder := sse.NewDecoder(100)
			reader := sse.NewReader(c.source, decoder)
			first, err := reader.Next()
			require.NoError(t, err)
			require.Equal(t, sse.Message{ID: "1", HasID: true, Type: "message", Data: "a"}, first)
			require.Equal(t, "1", decoder.LastEventID(), "it does not run ahead")
			second, err := reader.Next()
			require.NoError(t, err)
			require.Equal(t, sse.Message{ID: "3", HasID: true, Type: "message", Data: "b"}, second)
			require.Equal(t, "3", decoder.LastEventID(), "it does not run ahead")
			for range 2 {
				_, err = reader.Next()
				require.ErrorIs(t, err, c.end)
			}
			require.Equal(t, "4", decoder.LastEventID())
		})
	}
}

func TestReaderTooLarge(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(strings.NewReader("data: a\n\n:"), iotest.ErrReader(errors.New("read too far")))
	reader := sse.NewReader(endless, sse.NewDecoder(7))
	_, err := reader.Next()
	require.NoError(t, err)
	reader = sse.NewReader(endlessX{}, sse.NewDecoder(1<<16))
	for range 2 {
		_, err = reader.Next()
		require.ErrorIs(t, err, sse.ErrTooLarge)
	}
}

type endlessX struct{}

func (endlessX) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}
