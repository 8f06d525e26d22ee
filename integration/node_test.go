package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// node is a real pushstreamd.
type node struct {
	*process

	// URL and AdminURL are those of the two listeners, without a slash at the end.
	URL, AdminURL string
}

// startNode runs a node in development mode on free ports of this machine, waits until it is ready, and stops it when the
// test ends. It drains at once; args come after the test's own and so win over them.
func startNode(t *testing.T, args ...string) *node {
	t.Helper()
	listen, admin := redistest.FreeAddress(t), redistest.FreeAddress(t)
	own := []string{"--listen", listen, "--admin", admin, "--drain-delay", "0s", "--drain-window", "0s"}
	n := &node{
		process:  startProcess(t, exec.Command(program(t, "./cmd/pushstreamd"), append(own, args...)...), nil),
		URL:      "http://" + listen,
		AdminURL: "http://" + admin,
	}
	waitFor(t, n.URL+"/readyz")
	return n
}

// publish posts one event, as JSON, and returns the decoded answer, which has to be 200.
func (n *node) publish(body string) (answer struct {
	ID  string
	IDs map[string]string
},
) {
	n.t.Helper()
	response, err := httpClient.Post(n.URL+"/events", "application/json", bytes.NewReader([]byte(body)))
	require.NoError(n.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(n.t, err)
	require.Equal(n.t, http.StatusOK, response.StatusCode, string(text))
	require.NoError(n.t, json.Unmarshal(text, &answer))
	return answer
}

// httpClient makes the tests' own short requests. It keeps no connections, which would outlive their servers.
var httpClient = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// waitFor waits until a URL answers 200.
func waitFor(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := httpClient.Get(url)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "%s does not answer 200", url)
}

// binaries is where the programs under test are built; TestMain removes it.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "pushstream-integration-") })

// builds has a function for each program that builds it once.
var builds = struct {
	mu sync.Mutex
	of map[string]func() (string, error)
}{of: make(map[string]func() (string, error))}

// program builds a main package of this module, once for all tests, and returns the path of the binary.
func program(t *testing.T, pkg string) string {
	t.Helper()
	builds.mu.Lock()
	build, ok := builds.of[pkg]
	if !ok {
		build = sync.OnceValues(func() (string, error) { return buildProgram(pkg) })
		builds.of[pkg] = build
	}
	builds.mu.Unlock()
	path, err := build()
	require.NoError(t, err, "build %s", pkg)
	return path
}

func buildProgram(pkg string) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}
