package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzElements checks that arrays are taken apart as encoding/json does it.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, ` [ ] `, `[1]`, `[1,[2,3],{"a":[4,5]}]`, `["a,b","]","\"","\\",",\\\""]`, "[\r\n1 ,\t{} ]", `[[[[]]],"[",{"}":"{"}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want []json.RawMessage
		if json.Unmarshal(text, &want) != nil || want == nil {
			return
		}
		all, count := elementsOf(text, len(want)+1)
		require.Equal(t, want, all)
		require.Equal(t, len(want), count)
		two, count := elementsOf(text, 2)
		require.Equal(t, len(want), count)
		require.Equal(t, want[:min(2, len(want))], two)
	})
}
