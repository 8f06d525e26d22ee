package sse_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// story is all that a decoder tells of a stream.
type story struct {
	messages []sse.Message
	last     string
	retry    time.Duration
	hasRetry bool
	failure  string
}

func tell(stream []byte, limit, size int) story {
	var s story
	d := sse.NewDecoder(limit)
	for chunk := range slices.Chunk(stream, size) {
		if err := d.Feed(chunk, func(m sse.Message) error {
			s.messages = append(s.messages, m)
			return nil
		}); err != nil {
			s.failure = err.Error()
		}
	}
	s.last = d.LastEventID()
	s.retry, s.hasRetry = d.Retry()
	return s
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\uFEFFid: 1\r\nevent: a\rdata: x\n\n"), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		for _, limit := range []int{16, 1 << 20} {
			whole := tell(stream, limit, max(1, len(stream)))
			require.Equal(t, whole, tell(stream, limit, 1))
			require.Equal(t, whole, tell(stream, limit, max(1, int(chunk))))
			for _, m := range whole.messages {
				require.NotContains(t, m.ID, "\x00")
				require.NotContains(t, m.Data, "\r")
				require.LessOrEqual(t, len(m.Data), limit)
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("7", true, "order.created", "a\r\nb\rc\n", int64(5))
	f.Fuzz(func(t *testing.T, id string, hasID bool, kind, data string, retryMS int64) {
		sent := sse.Message{ID: id, HasID: hasID, Type: kind, Data: data}
		if retryMS >= 0 && retryMS < 1e12 {
			sent.Retry, sent.HasRetry = time.Duration(retryMS)*time.Millisecond, true
		}
		block, err := sse.AppendMessage(nil, sent)
		if (hasID && strings.ContainsAny(id, "\r\n\x00")) || strings.ContainsAny(kind, "\r\n\x00") {
			require.ErrorIs(t, err, sse.ErrField)
			return
		}
		require.NoError(t, err)
		want := sent
		if !hasID {
			want.ID = ""
		}
		want.ID, want.Type = utf8Of(want.ID), utf8Of(want.Type)
		want.Data = utf8Of(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data))
		if want.Type == "" {
			want.Type = "message"
		}
		require.Equal(t, []sse.Message{want}, decodeAll(t, string(block)))
	})
}

// utf8Of is what a reader makes of a text that is not UTF-8. Only for such a text does it lean on the decoder itself: what
// becomes of each byte is the corpus's matter.
func utf8Of(s string) string {
	if strings.ToValidUTF8(s, "") == s {
		return s
	}
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		var data string
		d := sse.NewDecoder(1 << 24)
		if err := d.Feed([]byte("data: "+line+"\n\n"), func(m sse.Message) error {
			data = m.Data
			return nil
		}); err != nil {
			panic(err)
		}
		lines = append(lines, data)
	}
	return strings.Join(lines, "\n")
}
