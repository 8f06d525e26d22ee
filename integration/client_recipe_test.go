package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The programs of the page about Go print what it says they do, ids aside.
func TestGoClientRecipe(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "recipes", "go.md"))
	require.NoError(t, err)
	programs := regexp.MustCompile("(?ms)^```go\n(.*?)^```\n\n```console\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	require.Len(t, programs, strings.Count(string(page), "```go\n"))
	require.Len(t, programs, 2)
	n := startNode(t)
	id := regexp.MustCompile(`\w+\.\d+-\d+`)
	for _, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		require.Contains(t, p[1], "http://localhost:8080")
		require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(p[1], "http://localhost:8080", n.URL)), 0o600))
		run := exec.CommandContext(t.Context(), "go", "run", file)
		run.Dir = ".."
		output, err := run.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Equal(t, id.ReplaceAllString(p[2], "ID"), id.ReplaceAllString(string(output), "ID"))
	}
}
