package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func principal(t *testing.T, user, session string) auth.Principal {
	t.Helper()
	p := auth.Principal{Tenant: event.DefaultTenant()}
	var err error
	if user != "" {
		p.User, err = event.User(user)
		require.NoError(t, err)
	}
	if session != "" {
		p.Session, err = event.Session(session)
		require.NoError(t, err)
	}
	return p
}

func TestOwnTargets(t *testing.T) {
	for want, p := range map[string]auth.Principal{
		"all":                     principal(t, "", ""),
		"all user:a":              principal(t, "a", ""),
		"all session:s":           principal(t, "", "s"),
		"all user:a session:s":    principal(t, "a", "s"),
		"all user:all session:-1": principal(t, "all", "-1"),
	} {
		var have []string
		for _, target := range p.Own() {
			have = append(have, target.String())
		}
		require.Equal(t, want, strings.Join(have, " "))
	}
}

// Two people never have one identity, however their names are put together, and one always has the same.
func TestIdentitiesDiffer(t *testing.T) {
	names := []string{"", "a", "b", "ab", "ba", "a:b", "1", "1a", "a1"}
	seen := make(map[string][2]string)
	for _, user := range names {
		for _, session := range names {
			id := principal(t, user, session).Identity()
			require.Regexp(t, `^[A-Za-z0-9_-]{16}$`, id)
			require.Equal(t, id, principal(t, user, session).Identity())
			require.NotContains(t, seen, id, "%q, %q", user, session)
			seen[id] = [2]string{user, session}
		}
	}
}
