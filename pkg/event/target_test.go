package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct {
		kind event.Kind
		id   string
	}{
		"all":                         {event.KindAll, ""},
		"user:42":                     {event.KindUser, "42"},
		"session:s-1":                 {event.KindSession, "s-1"},
		"topic:news":                  {event.KindTopic, "news"},
		"topic:a:b:":                  {event.KindTopic, "a:b:"},
		"topic:OWNER/repo":            {event.KindTopic, "OWNER/repo"},
		"topic:all":                   {event.KindTopic, "all"},
		"user:a%20b+c&d=\"'":          {event.KindUser, "a%20b+c&d=\"'"},
		"user:\u00e9\u20ac\U0001F600": {event.KindUser, "\u00e9\u20ac\U0001F600"},
		"user:" + strings.Repeat("u", event.MaxTargetID): {event.KindUser, strings.Repeat("u", event.MaxTargetID)},
	} {
		v, err := event.ParseTarget(s)
		require.NoError(t, err, s)
		require.Equal(t, want.kind, v.Kind())
		require.Equal(t, want.id, v.ID())
		require.Equal(t, s, v.String())
		require.False(t, v.IsZero())
		again, err := event.ParseTarget(v.String())
		require.NoError(t, err)
		require.Equal(t, v, again)
	}
	for _, s := range []string{
		"", "al", "ALL", "all:", "all:x", "user", "user:", "session:", "topic:", "User:1", "users:1", ":1", "unknown:1",
		"user:a b", "user:a\tb", "user:a\nb", "user:a\rb", "user:a\x00b", "user:\x7f", "user:\u0085", "user:\u00a0", "user:\u2028", "user:\u3000",
		"user:{a", "user:a}", "topic:*", "topic:a*", "user:\xff", "user:\xed\xa0\x80",
		"user:" + strings.Repeat("u", event.MaxTargetID+1),
	} {
		v, err := event.ParseTarget(s)
		require.ErrorIs(t, err, event.ErrInvalid, "%q", s)
		require.True(t, v.IsZero())
		require.NotRegexp(t, "[\r\n\x00]", err.Error())
		require.Less(t, len(err.Error()), 300)
	}
}

func TestTargetsOfAKind(t *testing.T) {
	t.Parallel()
	for word, build := range map[string]func(string) (event.Target, error){
		"user": event.User, "session": event.Session, "topic": event.Topic,
	} {
		v, err := build("x")
		require.NoError(t, err)
		parsed, err := event.ParseTarget(word + ":x")
		require.NoError(t, err)
		require.Equal(t, parsed, v, "targets are comparable")
		require.Equal(t, word, v.Kind().String())
		for _, id := range []string{"", "a b", "*"} {
			_, err = build(id)
			require.ErrorIs(t, err, event.ErrInvalid)
			require.ErrorContains(t, err, "invalid target: "+word)
		}
	}
	require.Equal(t, "all", event.KindAll.String())
	require.Equal(t, "unknown", event.Kind(0).String())
	require.Equal(t, "all", event.All().String())
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"a\r\n\u00e9"`, event.Quote("a\r\n\u00e9"))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"`, event.Quote(strings.Repeat("x", 64)))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`" (cut)`, event.Quote(strings.Repeat("x", 65)))
}

func TestParseTenant(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"default", "a", "A-z_0.9", strings.Repeat("t", event.MaxTenant)} {
		v, err := event.ParseTenant(s)
		require.NoError(t, err, s)
		require.Equal(t, s, v.String())
	}
	for _, s := range []string{"", "a b", "a/b", "a:b", "{a}", "a\n", "\u00e9", strings.Repeat("t", event.MaxTenant+1)} {
		v, err := event.ParseTenant(s)
		require.ErrorIs(t, err, event.ErrInvalid, "%q", s)
		require.Zero(t, v)
	}
	def, err := event.ParseTenant("default")
	require.NoError(t, err)
	require.Equal(t, def, event.DefaultTenant())
}

func TestLogName(t *testing.T) {
	t.Parallel()
	one := event.LogName{Tenant: event.DefaultTenant(), Target: event.All()}
	require.Equal(t, "default/all", one.String())
	require.Equal(t, 1, map[event.LogName]int{one: 1}[event.LogName{Tenant: event.DefaultTenant(), Target: event.All()}])
}
