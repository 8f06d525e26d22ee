package integration_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page that lists what can be seen names the tests that show it, in a way that runs them.
func TestDemonstrationsNameTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference/demonstrations.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	named := regexp.MustCompile(`(?m)^go test \./integration -v -run '?([\w|]+)'?$`).FindAllSubmatch(page, -1)
	require.Greater(t, len(named), 8)
	for _, m := range named {
		for name := range strings.SplitSeq(string(m[1]), "|") {
			require.Contains(t, tests.String(), "\nfunc "+name)
		}
	}
}
