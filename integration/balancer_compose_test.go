package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/internal/redistest"
)

// service is what this test looks at of a service in docker-compose.yml.
type service struct {
	Command     []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
}

// What docker-compose.yml says, without Docker: its Redis, its nodes and its nginx are processes here.
func TestBalancerOfDockerCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docker-compose.yml")
	require.NoError(t, err)
	var compose struct{ Services map[string]service }
	require.NoError(t, yaml.Unmarshal(text, &compose))
	nginx := balancers[0]
	file := nginx.read(t)

	redis := runRedis(t, compose.Services["redis"].Command)
	var nodes []*node
	for _, m := range regexp.MustCompile(`(?m)^ *server (\w+):8080 `).FindAllStringSubmatch(file, -1) {
		s, found := compose.Services[m[1]]
		require.True(t, found, "nginx looks for %s", m[1])
		require.Equal(t, m[1], s.Environment["PUSHSTREAM_NODE"])
		require.Equal(t, "redis://redis:6379", s.Environment["PUSHSTREAM_REDIS"])
		s.Environment["PUSHSTREAM_REDIS"] = redis
		nodes = append(nodes, runService(t, s))
	}
	require.Len(t, nodes, 3)
	mounted := filepath.Join("deploy", nginx.name, nginx.file)
	require.Equal(t, []string{"./" + mounted + ":/etc/nginx/nginx.conf:ro"}, compose.Services["nginx"].Volumes)
	require.Equal(t, []string{"127.0.0.1:8080:8080"}, compose.Services["nginx"].Ports, "nobody is authenticated")
	require.Contains(t, file, "listen 8080;")
	front := nginx.start(t, file, nodes)

	v := newVisitor(t, front.URL).opens("user=alice")
	v.await(2)
	for i := range 6 {
		id := curlPublish(t, front.node, "user:alice", i)
		require.Equal(t, orderBlock(id, i), v.await(3 + i)[2+i], "every node's events come to every reader")
	}
	for _, n := range nodes {
		require.NotContains(t, n.stderr.String(), "Redis could do better")
	}
}

// runRedis runs the command of a service here, and returns the URL.
func runRedis(t *testing.T, command []string) (url string) {
	t.Helper()
	address := redistest.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	command = append(command, "--bind", host, "--port", port, "--dir", t.TempDir())
	startProcess(t, exec.Command(command[0], command[1:]...), nil)
	return "redis://" + address
}

// runService runs a node with the environment of a service.
func runService(t *testing.T, s service) *node {
	t.Helper()
	var environ []string
	for name, value := range s.Environment {
		environ = append(environ, name+"="+value)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Register(flags)
	loaded, err := config.Load(flags, append(environ, "PUSHSTREAM_LISTEN=:8080")) // as in the image
	require.NoError(t, err)
	require.NoError(t, loaded.Config.Validate())
	require.True(t, loaded.Config.InsecureDev)

	listen, admin := redistest.FreeAddress(t), redistest.FreeAddress(t)
	cmd := exec.Command(program(t, "./cmd/pushstreamd"), "--listen", listen, "--admin", admin)
	cmd.Env = append(os.Environ(), environ...)
	n := &node{process: startProcess(t, cmd, nil), URL: "http://" + listen, AdminURL: "http://" + admin}
	waitFor(t, n.URL+"/readyz")
	return n
}
