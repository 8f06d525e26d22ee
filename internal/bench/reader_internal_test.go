package bench

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The rest of the 1 KiB that a reader may have is for two ids and the begin of a line.
func TestAReaderIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(reader{}), uintptr(320))
}

// A reader that was given up, and is greeted after all, is not one of those that are measured.
func TestWhoIsAbandonedStaysSo(t *testing.T) {
	s := &shard{readers: make([]reader, 1), clock: func() time.Duration { return 1 }, topics: []string{"x"}}
	s.onBlock = s.block
	s.phases[phaseIdle] = 1
	r := &s.readers[0]
	s.begin(r)
	s.move(r, phaseAsking)
	s.abandon()
	err := s.feed(r, []byte(streamHead+"\r\nevent: pushstream.live\ndata: {}\n\n"))
	require.ErrorIs(t, err, errFinal)
	s.over(r, err)
	require.Equal(t, phaseEnded, r.phase)
	require.Zero(t, s.seen.live)
	require.True(t, s.complete([]sent{{end: 5}}))
}
