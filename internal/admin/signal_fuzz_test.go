package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
)

// FuzzSignal takes anything for a message of another node, which it may be by whoever reaches Redis: no signal that is not a
// refusal ends a stream as refused or refuses somebody.
func FuzzSignal(f *testing.F) {
	f.Add([]byte(`{"ask":{"id":"1"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h := &hub{}
		n := h.newNode("a")
		n.connect(t, "1", "default", "alice", "t", time.Now())
		n.admin.Signal(body)
		principal := auth.Principal{TokenID: "t"}
		log := logOf(t, "default", "user:alice")
		principal.Tenant, principal.User = log.Tenant, log.Target
		if n.refusals.Len() == 0 {
			require.False(t, n.refusals.Refused(principal))
			require.NotContains(t, n.reasons(), "revoked")
		}
		require.LessOrEqual(t, n.refusals.Len(), 1, "one signal is one refusal")
	})
}
