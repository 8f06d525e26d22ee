package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestTheSameUserOfAnotherTenantIsSomebodyElse(t *testing.T) {
	user, err := event.User("alice")
	require.NoError(t, err)
	acme, err := event.ParseTenant("acme")
	require.NoError(t, err)
	u := newUsers(1)
	here, there := auth.Principal{Tenant: event.DefaultTenant(), User: user}, auth.Principal{Tenant: acme, User: user}
	require.NoError(t, u.enter(userOf(here)))
	require.Error(t, u.enter(userOf(here)))
	require.Error(t, u.check(here))
	require.NoError(t, u.check(there))
	require.NoError(t, u.enter(userOf(there)))
	u.leave(userOf(here))
	u.leave(userOf(there))
	require.Empty(t, u.open, "whoever has left takes no memory")
}
