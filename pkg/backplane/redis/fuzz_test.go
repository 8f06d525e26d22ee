package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// requireSound fails unless an entry can be passed on as it is.
func requireSound(t *testing.T, e backplane.Entry) {
	t.Helper()
	require.Equal(t, topic("a"), e.Log)
	require.NotEmpty(t, e.Event.Type.String())
	require.False(t, e.Event.Data.IsZero())
	for _, text := range []string{e.Event.Type.String(), e.Event.Data.String(), e.Event.Meta.String()} {
		require.False(t, strings.ContainsAny(text, "\r\n\x00"), "%q", text)
		require.True(t, utf8.ValidString(text))
	}
	if !e.Event.Meta.IsZero() {
		require.Equal(t, byte('{'), e.Event.Meta.Bytes()[0])
	}
	require.False(t, e.Event.Time.IsZero())
	require.Equal(t, e.Position.IsZero(), e.Prev.IsZero(), "an event has a place and a place before, or neither")
	if e.Position.IsZero() {
		require.False(t, e.Loose)
		return
	}
	require.Equal(t, e.Position.Time(), e.Event.Time)
}

// What comes over the channel of a log may have been published by anybody.
func FuzzParseMessage(f *testing.F) {
	f.Add(`a1.1770091506078-3 1770091506070-0 order.created 0 {"id":7}`)
	f.Add(`a1.1770091506078-3 ~1770005106078-0 order.created 12 {"by": "me"} 7`)
	f.Add(`{"type":"order.created","data":{"id":7},"meta":{"by":"me"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := redis.ParseMessage(topic("a"), text)
		if err != nil {
			return
		}
		requireSound(t, e)
		if e.Position.IsZero() {
			return
		}
		// Written again as the functions write it, it is the same.
		loose := ""
		if e.Loose {
			loose = "~"
		}
		meta := e.Event.Meta.String()
		again, err := redis.ParseMessage(topic("a"), fmt.Sprintf("%v %s%d-%d %v %d %s%v",
			e.Position, loose, e.Prev.Millis(), e.Prev.Seq(), e.Event.Type, len(meta), meta, e.Event.Data))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

// So may an entry of a log's stream have been added. The fields are one text here, with lines.
func FuzzParseEntry(f *testing.F) {
	f.Add("a1:1770091506078-3 b2:1770091507078-0 ", "c3", "1770091506079-0", "type\norder.created\ndata\n7\nprev\n~1770091506078-3")
	f.Add("", "a1", "1770091506078-3", "type\norder.created\ndata\n{\"id\":7}\nprev\n1770091506070-0\nmeta\n{\"by\":\"me\"}")
	f.Add("", "a1", "1-1", "data")
	f.Fuzz(func(t *testing.T, ends, present, id, fields string) {
		var values []any
		for word := range strings.SplitSeq(fields, "\n") {
			values = append(values, word)
		}
		e, err := redis.ParseEntry(topic("a"), ends, present, []any{id, values})
		if err != nil {
			return
		}
		requireSound(t, e)
		tags := []string{present}
		for end := range strings.FieldsSeq(ends) {
			tag, _, _ := strings.Cut(end, ":")
			tags = append(tags, tag)
		}
		require.Contains(t, tags, e.Position.Timeline(), "the timeline is one that there is")
		require.Contains(t, tags, e.Prev.Timeline())
		for _, cut := range []any{nil, "", []any{}, []any{id}, []any{id, "x"}, []any{1, values}, []any{id, values, 1}, []any{id, values[:len(values)-1]}} {
			_, _ = redis.ParseEntry(topic("a"), ends, present, cut) // must not panic
		}
	})
}
