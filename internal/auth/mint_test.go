package auth_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestMint(t *testing.T) {
	node, err := auth.New(simple(), nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	claims := auth.MintClaims{User: "alice", Session: "s", Subscribe: []string{"topic:*"}, Publish: []string{"all"}, Age: time.Hour}
	token, err := auth.Mint(secretText, claims)
	require.NoError(t, err)
	p, err := node.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, "user:alice", p.User.String())
	require.Equal(t, "session:s", p.Session.String())
	require.Equal(t, []string{"topic:*"}, p.Subscribe.Patterns())
	require.Equal(t, []string{"all"}, p.Publish.Patterns())
	require.WithinDuration(t, time.Now(), p.Issued, 2*time.Second)
	require.Equal(t, time.Hour+30*time.Second, p.Expires.Sub(p.Issued))
	again, err := auth.Mint(secretText, claims)
	require.NoError(t, err)
	q, err := node.Verify(t.Context(), again)
	require.NoError(t, err)
	require.Len(t, p.TokenID, 26)
	require.NotEqual(t, p.TokenID, q.TokenID, "each can be refused by itself")

	token, err = auth.Mint(secretText, auth.MintClaims{Age: time.Second})
	require.NoError(t, err)
	p, err = node.Verify(t.Context(), token)
	require.NoError(t, err)
	require.True(t, p.User.IsZero() && p.Session.IsZero() && p.Subscribe.IsZero() && p.Publish.IsZero())
}

func TestMintFaults(t *testing.T) {
	long := make([]string, 60)
	for i := range long {
		long[i] = fmt.Sprintf("topic:%d-%s", i, strings.Repeat("x", 150))
	}
	for name, c := range map[string]auth.MintClaims{
		"user":      {User: "a b", Age: time.Hour},
		"session":   {Session: "*", Age: time.Hour},
		"subscribe": {Subscribe: []string{"news"}, Age: time.Hour},
		"publish":   {Publish: []string{"a*"}, Age: time.Hour},
		"age":       {},
		"negative":  {Age: -time.Hour},
		"for ever":  {Age: 1<<63 - 1},
		"too long":  {Subscribe: long, Age: time.Hour},
	} {
		token, err := auth.Mint(secretText, c)
		require.ErrorIs(t, err, event.ErrInvalid, name)
		require.Empty(t, token)
	}
	_, err := auth.Mint("hunter2", auth.MintClaims{Age: time.Hour})
	require.ErrorContains(t, err, "it has 7 bytes")
	require.NotContains(t, err.Error(), "hunter2")
}
