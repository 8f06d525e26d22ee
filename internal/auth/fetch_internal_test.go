package auth

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The environment's proxy is for others: who sets it would see, and could change, which keys count. A server in a test cannot
// show it, since there is never a proxy for this machine.
func TestFetchesUseNoProxy(t *testing.T) {
	transport, is := newFetchClient().Transport.(*http.Transport)
	require.True(t, is)
	require.Nil(t, transport.Proxy)
}
