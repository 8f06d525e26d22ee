package integration_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// make cluster: what it starts is a cluster, goes on when a node is killed, and is gone when it ends.
func TestBalancerOfMakeCluster(t *testing.T) {
	t.Parallel()
	port, redisPort := freePorts(t), strings.TrimPrefix(redistest.FreeAddress(t), "127.0.0.1:")
	script := startScript(t, port, redisPort)
	says := func(text string) func() bool {
		return func() bool { return strings.Contains(script.stderr.String(), text) }
	}
	require.Eventually(t, says("Ctrl-C ends everything"), patience, 10*time.Millisecond)
	front := &node{process: script, URL: "http://127.0.0.1:" + port}

	v := newVisitor(t, front.URL).opens("user=alice")
	v.await(2)
	first := curlPublish(t, front, "user:alice", 1)
	require.Equal(t, orderBlock(first, 1), v.await(3)[2])
	shown := regexp.MustCompile(v.node + ` .* pid (\d+)`).FindStringSubmatch(script.stderr.String())
	require.NotNil(t, shown)
	pid, err := strconv.Atoi(shown[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	<-v.ended
	require.Eventually(t, says(v.node+" has ended with code 137"), patience, 10*time.Millisecond)

	second := curlPublish(t, front, "user:alice", 2)
	back := newVisitor(t, front.URL).opens("user=alice", "Last-Event-ID: "+first)
	require.NotEqual(t, v.node, back.node)
	require.Equal(t, orderBlock(second, 2), back.await(2)[1])

	taken := startScript(t, port, redisPort)
	<-taken.ended
	require.Equal(t, 1, taken.cmd.ProcessState.ExitCode())
	require.Equal(t, "cluster: port "+port+" is taken: choose others, like CLUSTER_PORT=9080 make cluster\n", taken.stderr.String())

	script.stop() // its output ends when the last process has
	require.Zero(t, script.cmd.ProcessState.ExitCode())
	left, err := filepath.Glob(filepath.Join(script.cmd.Dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// startScript runs scripts/cluster, with its files in the folder that is its process's.
func startScript(t *testing.T, port, redisPort string) *process {
	t.Helper()
	dir := t.TempDir()
	path, err := filepath.Abs("../scripts/cluster")
	require.NoError(t, err)
	cmd := exec.Command(path)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "CLUSTER_PORT="+port, "CLUSTER_REDIS_PORT="+redisPort, "CLUSTER_PROGRAM="+program(t, "./cmd/pushstreamd"))
	return startProcess(t, cmd, nil)
}

// freePorts returns a port that is free, as are the others that the script takes with it.
func freePorts(t *testing.T) string {
	t.Helper()
	var first string
	require.Eventually(t, func() bool {
		_, first, _ = strings.Cut(redistest.FreeAddress(t), ":")
		port, err := strconv.Atoi(first)
		if err != nil {
			return false
		}
		for _, next := range []int{1, 2, 3, 11, 12, 13} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+next)))
			if err != nil || l.Close() != nil {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
	return first
}
