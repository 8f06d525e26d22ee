package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func target(tb testing.TB, s string) event.Target {
	tb.Helper()
	v, err := event.ParseTarget(s)
	require.NoError(tb, err)
	return v
}

func grants(tb testing.TB, patterns ...string) auth.Grants {
	tb.Helper()
	g, err := auth.ParseGrants(patterns)
	require.NoError(tb, err)
	return g
}

// What each list of patterns lets alice, whose session is s, read and publish.
func TestGrantsMatrix(t *testing.T) {
	targets := []string{"all", "user:alice", "user:bob", "user:al", "session:s", "session:s2", "topic:news", "topic:newsroom", "topic:orders.eu", "topic:orders", "topic:user:bob"}
	for _, c := range []struct {
		patterns      string
		read, publish string // a letter for each target
	}{
		{"", "yy--y------", "-----------"},
		{"*", "yy--y-yyyyy", "yyyyyyyyyyy"},
		{"all", "yy--y------", "y----------"},
		{"user:*", "yy--y------", "-yyy-------"},
		{"user:bob", "yy--y------", "--y--------"},
		{"user:al*", "yy--y------", "-y-y-------"},
		{"session:*", "yy--y------", "----yy-----"},
		{"session:s", "yy--y------", "----y------"},
		{"topic:*", "yy--y-yyyyy", "------yyyyy"},
		{"topic:news", "yy--y-y----", "------y----"},
		{"topic:news*", "yy--y-yy---", "------yy---"},
		{"topic:orders.*", "yy--y---y--", "--------y--"},
		{"topic:user:bob", "yy--y-----y", "----------y"},
		{"topic:news topic:orders user:bob", "yy--y-y--y-", "--y---y--y-"},
		{"topic:News", "yy--y------", "-----------"},
	} {
		p := principal(t, "alice", "s")
		p.Subscribe = grants(t, strings.Fields(c.patterns)...)
		p.Publish = p.Subscribe
		var read, publish strings.Builder
		for _, name := range targets {
			write(&read, p.MayRead(target(t, name)))
			write(&publish, p.MayPublish(target(t, name)))
		}
		require.Equal(t, c.read, read.String(), "read, %q", c.patterns)
		require.Equal(t, c.publish, publish.String(), "publish, %q", c.patterns)
		require.False(t, p.MayRead(event.Target{}), c.patterns)
		require.False(t, p.MayPublish(event.Target{}), c.patterns)
	}
	nobody := auth.Principal{Subscribe: auth.All()}
	require.False(t, nobody.MayRead(target(t, "user:alice")), "who has no name is not everybody")
	require.False(t, nobody.MayRead(event.Target{}))
	require.True(t, nobody.MayRead(target(t, "topic:x")))
}

func write(b *strings.Builder, may bool) {
	if may {
		b.WriteByte('y')
	} else {
		b.WriteByte('-')
	}
}

func TestParseGrants(t *testing.T) {
	longest := "topic:" + strings.Repeat("x", event.MaxTargetID)
	g := grants(t, "*", "all", longest, "topic:\u00e9*")
	require.Equal(t, []string{"*", "all", longest, "topic:\u00e9*"}, g.Patterns())
	require.Equal(t, "*, all, "+longest+", topic:\u00e9*", g.String())
	g.Patterns()[0] = "changed"
	require.Equal(t, "*", g.Patterns()[0])
	require.Equal(t, []string{"*"}, auth.All().Patterns())
	require.True(t, auth.Grants{}.IsZero())
	require.False(t, auth.All().IsZero())

	full := strings.Fields(strings.Repeat("all ", auth.MaxPatterns))
	grants(t, full...)
	_, err := auth.ParseGrants(append(full, "all"))
	require.ErrorContains(t, err, "101 patterns")
	for _, bad := range []string{
		"", "**", "a*", "al*", "all*", "user", "user*", "users:*", "user:", "topic:*x", "topic:a*b", "topic:a**", "topic:a b*", "topic:\n*", "topic:\xff*", ":*", "topic:{*",
		"topic:" + strings.Repeat("x", auth.MaxPattern), strings.Repeat("*", 1<<20), "USER:*", " *", "* ",
	} {
		_, err = auth.ParseGrants([]string{"topic:fine", bad})
		require.ErrorIs(t, err, event.ErrInvalid, "%.50q", bad)
		require.Less(t, len(err.Error()), 400)
		require.NotContains(t, err.Error(), "\n")
	}
}
