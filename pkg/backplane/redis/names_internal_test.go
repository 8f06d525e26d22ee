package redis

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

// FuzzLogKey reads a log's key back. What can be read back is the key of no other log, in this tenant or another.
func FuzzLogKey(f *testing.F) {
	f.Add("default", "user:alice")
	of := namesOf("pushstream", 3)
	f.Fuzz(func(t *testing.T, tenant, target string) {
		var log event.LogName
		var err error
		if log.Tenant, err = event.ParseTenant(tenant); err != nil {
			return
		}
		if log.Target, err = event.ParseTarget(target); err != nil {
			return
		}
		rest, found := strings.CutPrefix(of.log(log), "pushstream:1:{p3}:log:")
		require.True(t, found)
		require.NotRegexp(t, `[^0-9A-Za-z%:._~-]`, rest, "nothing that a pattern, a hash tag or a message would take for its own")
		name, escaped, found := strings.Cut(rest, ":")
		require.True(t, found)
		back, err := url.PathUnescape(escaped)
		require.NoError(t, err)
		require.Equal(t, tenant, name)
		require.Equal(t, target, back)
		for _, other := range []string{of.head, of.calls, of.keys[0], of.keys[1], of.signals} {
			require.NotEqual(t, other, of.log(log))
		}
	})
}
