package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

// The image has what make build makes, of what .dockerignore lets through, and its health check works.
func TestImage(t *testing.T) {
	dockerfile := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", "")
	command := regexp.MustCompile(`CGO_ENABLED=0 go build .*`)
	build := command.FindString(dockerfile)
	require.NotEmpty(t, build)
	require.Equal(t, command.FindString(read(t, "Makefile")), build)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	require.NotNil(t, version)
	require.Contains(t, dockerfile, "FROM golang:"+version[1]+" AS build\n")

	context := t.TempDir()
	for _, m := range regexp.MustCompile(`(?m)^!(.+)$`).FindAllStringSubmatch(read(t, ".dockerignore"), -1) {
		from, to := filepath.Join(root, m[1]), filepath.Join(context, m[1])
		info, err := os.Stat(from)
		require.NoError(t, err)
		if info.IsDir() {
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
			continue
		}
		require.NoError(t, os.WriteFile(to, []byte(read(t, m[1])), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", build)
	cmd.Dir = context
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))

	check := regexp.MustCompile(`(?m)^HEALTHCHECK .* CMD (.*)$`).FindStringSubmatch(dockerfile)
	require.NotNil(t, check)
	var argv []string
	require.NoError(t, json.Unmarshal([]byte(check[1]), &argv))
	require.Contains(t, dockerfile, "/src/bin/pushstreamd "+argv[0]+"\n")
	require.Contains(t, dockerfile, `ENTRYPOINT ["`+argv[0]+`"]`)
	health := exec.CommandContext(t.Context(), filepath.Join(context, "bin", argv[0]), argv[1:]...)
	health.Env = []string{"PUSHSTREAM_ADMIN=127.0.0.1:1"} // nobody listens there
	var stderr bytes.Buffer
	health.Stderr = &stderr
	require.Error(t, health.Run())
	require.Equal(t, 1, health.ProcessState.ExitCode(), "the check is wrong in itself: %s", stderr.String())
}
