package redistest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	image         = "redis:7"
	containerPort = "6379/tcp"

	// containerWithin is how long a container may take, with the download of its image.
	containerWithin = 3 * time.Minute
)

// container is a server in a container, for machines that have a Docker engine and no Redis.
type container struct {
	docker *testcontainers.DockerContainer
	url    string
}

// startContainer runs a server in a container and waits until it answers.
func startContainer(ctx context.Context, settings []string) (c container, err error) {
	ctx, cancel := context.WithTimeout(ctx, containerWithin)
	defer cancel()
	const config = "/redis.conf"
	lines := append([]string{"bind 0.0.0.0"}, withDefaults(settings)...)
	c.docker, err = testcontainers.Run(
		ctx, image,
		testcontainers.WithLogger(log.NewNoopLogger()),
		testcontainers.WithExposedPorts(containerPort),
		testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(strings.Join(lines, "\n") + "\n"), ContainerFilePath: config, FileMode: 0o644,
		}),
		testcontainers.WithCmd("redis-server", config),
		testcontainers.WithWaitStrategy(wait.ForLog("Ready to accept connections")),
	)
	if err != nil {
		return c, fmt.Errorf("%w; and a container of %s does not start: %w", errNoProgram, image, err)
	}
	addr, err := c.docker.PortEndpoint(ctx, containerPort, "")
	if err != nil {
		return c, fmt.Errorf("find port of container: %w", err)
	}
	c.url = serverURL(addr, value(settings, "requirepass"))
	return c, nil
}

// close ends and removes the container; there need not be one.
func (c container) close() error {
	if c.docker == nil {
		return nil
	}
	return testcontainers.TerminateContainer(c.docker)
}

// startInContainer is Start where there is no program.
func startInContainer(tb testing.TB, settings []string) *Server {
	tb.Helper()
	c, err := startContainer(tb.Context(), settings)
	tb.Cleanup(func() { require.NoError(tb, c.close()) })
	require.NoError(tb, err)
	s := serverAt(tb, c.url)
	s.spared = "it runs in a container: " + cure
	return s
}

// serverURL returns an address in the form that redis.ParseURL takes.
func serverURL(addr, secret string) string {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/0"}
	if secret != "" {
		u.User = url.UserPassword("", secret)
	}
	return u.String()
}
