package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	asked := make(chan string, 10)
	status := http.StatusOK
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.WriteHeader(status)
	}))
	defer node.Close()
	address := strings.TrimPrefix(node.URL, "http://")

	o := do(t, nil, nil, "health", "--admin", address)
	require.Zero(t, o.code, o.stderr)
	require.Empty(t, o.stdout+o.stderr)
	require.Equal(t, "/livez", <-asked)

	_, port, _ := strings.Cut(address, ":")
	o = do(t, nil, []string{"PUSHSTREAM_ADMIN=", "PUSHSTREAM_LISTEN=0.0.0.0:" + port, "PUSHSTREAM_INSECURE_DEV=true"}, "health")
	require.Zero(t, o.code, "without an admin listener the public one is asked: %s", o.stderr)

	status = http.StatusServiceUnavailable
	o = do(t, nil, nil, "health", "--admin", address)
	require.Equal(t, exitFailure, o.code)
	require.Equal(t, "pushstreamd: ask the node: it answers 503 Service Unavailable\n", o.stderr)

	node.Close()
	o = do(t, nil, nil, "health", "--admin", address)
	require.Equal(t, exitFailure, o.code)
	require.Contains(t, o.stderr, "connection refused")

	require.Equal(t, exitUsage, do(t, nil, nil, "health", "--admin", "nowhere").code)
}
