package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// The environment that chooses the server.
const (
	envServer = "PUSHSTREAM_TEST_REDIS_SERVER"
	envURL    = "PUSHSTREAM_TEST_REDIS_URL"
)

// cure is what to do where no program is named and there is none to be found.
const cure = "install redis-server (scripts/setup redis-server), or name another program in " + envServer

// errNoProgram is returned in that case.
var errNoProgram = errors.New("there is no redis-server in PATH: " + cure)

// program returns the path of the server to run.
func program() (string, error) {
	name := os.Getenv(envServer)
	if name == "" {
		path, err := exec.LookPath("redis-server")
		if err != nil {
			return "", errNoProgram
		}
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find the server that %s names: %w", envServer, err)
	}
	return path, nil
}
