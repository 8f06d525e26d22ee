package event_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

// What is accepted has nothing that ends a line of an event stream or that a header cannot carry.
const lineEnds = "\r\n\x00"

func refused(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	require.ErrorIs(t, err, event.ErrInvalid)
	require.False(t, strings.ContainsAny(err.Error(), lineEnds), "%q", err.Error())
	require.Less(t, len(err.Error()), 500)
	return true
}

func FuzzParseTarget(f *testing.F) {
	f.Add("user:42")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := event.ParseTarget(s)
		if refused(t, err) {
			require.True(t, v.IsZero())
			return
		}
		require.Equal(t, s, v.String())
		require.False(t, strings.ContainsAny(s, lineEnds+" {}*"))
		require.True(t, utf8.ValidString(s))
		require.LessOrEqual(t, len(v.ID()), event.MaxTargetID)
	})
}

func FuzzParsePosition(f *testing.F) {
	f.Add("a1.1770091506078-3")
	safe := regexp.MustCompile(`^[0-9A-Za-z]{1,16}\.[0-9]+-[0-9]+$`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := event.ParsePosition(s)
		if refused(t, err) {
			require.True(t, p.IsZero())
			return
		}
		require.Equal(t, s, p.String())
		require.Regexp(t, safe, s)
		require.LessOrEqual(t, len(s), 128)
		again, err := event.NewPosition(p.Timeline(), p.Millis(), p.Seq())
		require.NoError(t, err)
		require.Equal(t, p, again)
		require.Equal(t, int64(p.Millis()), p.Time().UnixMilli())
	})
}

func FuzzParseType(f *testing.F) {
	f.Add("order.created")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := event.ParseType(s)
		if refused(t, err) {
			require.Zero(t, v)
			return
		}
		require.Equal(t, s, v.String())
		require.False(t, strings.ContainsAny(s, lineEnds))
		require.False(t, strings.HasPrefix(strings.ToLower(s), event.ReservedPrefix))
		require.LessOrEqual(t, len(s), event.MaxType)
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte("{\"a\":\r\n[1.0, \"x\"]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := event.ParseJSON(bytes.Clone(b))
		if refused(t, err) {
			require.True(t, v.IsZero())
			return
		}
		require.False(t, bytes.ContainsAny(v.Bytes(), lineEnds))
		require.True(t, utf8.Valid(v.Bytes()))
		require.Equal(t, compact(t, b), compact(t, v.Bytes()), "only white space may change")
		again, err := event.ParseJSON(v.Bytes())
		require.NoError(t, err)
		require.Equal(t, v, again)
		if _, err = event.ParseObject(b); err == nil {
			require.Equal(t, byte('{'), v.Bytes()[0])
		}
	})
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, b))
	return out.String()
}
