package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody is authenticated yet, so a node does not let other machines in by accident.
func TestExposedNodeRefusesToStart(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:8080", ":8080", "[::]:8080", "example.com:8080"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, program(t, "./cmd/pushstreamd"), "--listen", listen)
		cmd.SysProcAttr = dieWithParent()
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Run(), &exit, listen)
		require.Equal(t, 2, exit.ExitCode())
		require.Empty(t, stdout.String())
		require.Equal(t, 1, bytes.Count(stderr.Bytes(), []byte("\n")), "one line: %s", stderr.String())
		require.Contains(t, stderr.String(), "listen: "+listen)
		require.Contains(t, stderr.String(), "insecure_dev: true")
		require.Contains(t, stderr.String(), "--insecure-dev")
	}
}

// What insecure_dev lets in, without listening to the world in a test: requests that came through a proxy.
func TestInsecureDevServesOthers(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		n := startNode(t)
		want := "403"
		if insecure {
			n, want = startNode(t, "--insecure-dev"), "200"
		}
		for _, header := range []string{"X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "Host: shop.example"} {
			out := curl(t, n.URL+"/events", "-H", "Content-Type: application/json", "-H", header, "-d", orderEvent("user:alice", 1), "-w", "%{http_code}")
			var answer struct{ ID, Code string }
			require.NoError(t, json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&answer), out)
			require.Equal(t, want, out[len(out)-3:], "%s: %s", header, out)
			require.Equal(t, insecure, answer.ID != "", out)
		}
	}
}
