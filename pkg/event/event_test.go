package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

func TestParseType(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"order.created", "a.b", "A.B", "a.b.c.d", "0.1", "-.-", "_._", "order-line.v2_created",
		"push.stream", "pushstreams.x", "x.pushstream.y", strings.Repeat("a", event.MaxType-2) + ".b",
	} {
		v, err := event.ParseType(s)
		require.NoError(t, err, s)
		require.Equal(t, s, v.String())
	}
	for s, why := range map[string]string{
		"":                                       "0 bytes",
		"created":                                "not domain.action",
		"message":                                "not domain.action", // a browser's own events
		"error":                                  "not domain.action",
		".":                                      "empty word",
		"a.":                                     "empty word",
		".a":                                     "empty word",
		"a..b":                                   "empty word",
		"a.b c":                                  "only",
		"a.b\n":                                  "only",
		"a.b\r":                                  "only",
		"a.b\x00":                                "only",
		"a.\u00e9":                               "only",
		"a.b/c":                                  "only",
		"a.\xff":                                 "only",
		"pushstream.x":                           "reserved",
		"pushstream.ping":                        "reserved",
		"PushStream.x":                           "reserved",
		"PUSHSTREAM.a.b":                         "reserved",
		"pushstream.":                            "empty word",
		"pu\u017fhstream.x":                      "only", // folds to s
		strings.Repeat("a", event.MaxType) + ".": "101 bytes",
		strings.Repeat("a", event.MaxType-1) + ".b": "101 bytes",
	} {
		v, err := event.ParseType(s)
		require.ErrorIs(t, err, event.ErrInvalid, "%q", s)
		require.Zero(t, v)
		require.ErrorContains(t, err, why, "%q", s)
	}
	require.Empty(t, event.Type{}.String())
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	for in, out := range map[string]string{
		`{}`:                        `{}`,
		`null`:                      `null`,
		` "a" `:                     `"a"`,
		"\r\n\t [1, 2]\n":           `[1, 2]`,
		"{\n  \"a\": [1,\r\n 2]}\n": `{"a":[1,2]}`,
		"[1,\r2]":                   `[1,2]`,
		`{"a" :  1.0e3}`:            `{"a" :  1.0e3}`,
		`{"n":1,"n":2}`:             `{"n":1,"n":2}`,
		`12345678901234567890123`:   `12345678901234567890123`,
		`"\u003c<\/\u2028"`:         `"\u003c<\/\u2028"`,
		"\"\u2028\u0085\"":          "\"\u2028\u0085\"",
		`"\ud800"`:                  `"\ud800"`,
		"[\n\"a \\n  b\"\n]":        `["a \n  b"]`,
	} {
		v, err := event.ParseJSON([]byte(in))
		require.NoError(t, err, "%q", in)
		require.Equal(t, out, v.String())
		require.Equal(t, out, string(v.Bytes()))
		require.False(t, v.IsZero())
	}
	for _, s := range []string{
		"", " ", "{", "nul", "{}{}", "1 2", "'a'", "\"a\nb\"", "\"a\x00b\"", "\"\xff\"", "\uFEFF{}", "{}\x00", "NaN", "01", "[1,]", "\"\u00e9", "\v{}",
		strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
	} {
		v, err := event.ParseJSON([]byte(s))
		require.ErrorIs(t, err, event.ErrInvalid, "%.20q", s)
		require.Less(t, len(err.Error()), 200)
		require.True(t, v.IsZero())
		require.Nil(t, v.Bytes())
	}
	zero := event.JSON{}
	require.True(t, zero.IsZero())
	require.Empty(t, zero.String())
}

// The payload may hold secrets; an error travels to logs.
func TestParseJSONDoesNotRepeatItsInput(t *testing.T) {
	t.Parallel()
	_, err := event.ParseJSON([]byte(`{"token":"hunter2"`))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter")
}

func TestParseObject(t *testing.T) {
	t.Parallel()
	v, err := event.ParseObject([]byte(" {\"a\":\n1} "))
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, v.String())
	for _, s := range []string{"", "[]", "null", `"{}"`, "1", "{"} {
		v, err := event.ParseObject([]byte(s))
		require.ErrorIs(t, err, event.ErrInvalid, s)
		require.True(t, v.IsZero())
	}
}

func TestEventSize(t *testing.T) {
	t.Parallel()
	kind, err := event.ParseType("a.bcd")
	require.NoError(t, err)
	data, err := event.ParseJSON([]byte(" [1] "))
	require.NoError(t, err)
	meta, err := event.ParseObject([]byte("{}"))
	require.NoError(t, err)
	require.Equal(t, 5+3+2, event.Event{Type: kind, Data: data, Meta: meta, Time: time.Now()}.Size())
	require.Zero(t, event.Event{}.Size())
}
