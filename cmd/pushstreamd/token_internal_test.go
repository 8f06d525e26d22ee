package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

const tokenSecret = "0123456789abcdef0123456789abcdef"

// mint runs the command by itself, as main would.
func mint(t *testing.T, environ []string, args ...string) (stdout string, err error) {
	t.Helper()
	var out strings.Builder
	c := program{stdout: &out, environ: environ}.token()
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.Execute()
	return out.String(), err
}

func bearerOf(t *testing.T, stdout string) auth.Principal {
	t.Helper()
	require.Equal(t, 1, strings.Count(stdout, "\n"), "the token alone")
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.ClockSkew = tokenSecret, 0
	node, err := auth.New(cfg, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(stdout))
	p, err := node.Reader(r)
	require.NoError(t, err)
	return p
}

func TestToken(t *testing.T) {
	environ := []string{"PUSHSTREAM_AUTH_SECRET=" + tokenSecret}
	stdout, err := mint(t, environ, "--user", "alice", "--topic", "news", "--topic=orders.*", "--session", "s", "--publish", "user:*", "--publish", "all", "--expires", "90m")
	require.NoError(t, err)
	p := bearerOf(t, stdout)
	require.Equal(t, event.DefaultTenant(), p.Tenant)
	require.Equal(t, "user:alice", p.User.String())
	require.Equal(t, "session:s", p.Session.String())
	require.Equal(t, []string{"topic:news", "topic:orders.*"}, p.Subscribe.Patterns())
	require.Equal(t, []string{"user:*", "all"}, p.Publish.Patterns())
	require.WithinDuration(t, time.Now().Add(90*time.Minute), p.Expires, time.Minute)

	stdout, err = mint(t, environ)
	require.NoError(t, err)
	p = bearerOf(t, stdout)
	require.True(t, p.User.IsZero() && p.Session.IsZero() && p.Subscribe.IsZero() && p.Publish.IsZero(), "nothing is granted that was not asked for")
	require.WithinDuration(t, time.Now().Add(time.Hour), p.Expires, time.Minute)
}

func TestTokenOfTheFilesSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(file, []byte("auth: {secret: "+tokenSecret+"}\n"), 0o600))
	stdout, err := mint(t, nil, "--config", file, "--user", "bob")
	require.NoError(t, err)
	require.Equal(t, "user:bob", bearerOf(t, stdout).User.String())
}

func TestTokenFaults(t *testing.T) {
	with := []string{"--auth-secret", tokenSecret}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no secret":        {nil, "openssl rand -hex 32"},
		"weak secret":      {[]string{"--auth-secret", "secret"}, "allowed are 32 to 512"},
		"user":             {append([]string{"--user", "a b"}, with...), "invalid target"},
		"session":          {append([]string{"--session", "*"}, with...), "invalid target"},
		"topic":            {append([]string{"--topic", "a*b"}, with...), "invalid target"},
		"publish":          {append([]string{"--publish", "users"}, with...), "invalid target"},
		"expired":          {append([]string{"--expires", "-1s"}, with...), "invalid age"},
		"not a duration":   {append([]string{"--expires", "soon"}, with...), "expires"},
		"an argument":      {append([]string{"alice"}, with...), "unknown command"},
		"unknown variable": {with, "PUSHSTREAM_NO_SUCH"},
	} {
		var environ []string
		if name == "unknown variable" {
			environ = []string{"PUSHSTREAM_NO_SUCH=1"}
		}
		stdout, err := mint(t, environ, c.args...)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), tokenSecret, name)
		require.Empty(t, stdout, name)
	}
}
