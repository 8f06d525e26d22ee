package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzElements checks that arrays are taken apart as encoding/json does it, and that members of objects are counted as elements.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, ` [ ] `, `[1]`, `[1,[2,3],{"a":[4,5]}]`, `["a,b","]","\"","\\",",\\\""]`, "[\r\n1 ,\t{} ]", `[[[[]]],"[",{"}":"{"}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		require.GreaterOrEqual(t, membersOf(text), 0) // whatever it is
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
		object := []byte(" {")
		for i, element := range want {
			if i > 0 {
				object = append(object, ", "...)
			}
			object = append(append(object, `"a":`...), element...)
		}
		require.Equal(t, len(want), membersOf(append(object, "}\n"...)))
	})
}
