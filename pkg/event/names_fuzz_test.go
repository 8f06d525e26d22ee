package event_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

func FuzzParseTenant(f *testing.F) {
	f.Add("acme")
	allowed := regexp.MustCompile(`\A[0-9A-Za-z._-]{1,64}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := event.ParseTenant(s)
		if refused(t, err) {
			require.Zero(t, v)
			require.NotRegexp(t, allowed, s)
			return
		}
		require.Regexp(t, allowed, s)
		require.Equal(t, s, v.String())
	})
}

func FuzzText(f *testing.F) {
	f.Add("a\r\nb")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := event.Text(s)
		if refused(t, err) {
			require.False(t, utf8.ValidString(s))
			return
		}
		var back string
		require.NoError(t, json.Unmarshal(v.Bytes(), &back))
		require.Equal(t, s, back)
		again, err := event.ParseJSON(v.Bytes())
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
