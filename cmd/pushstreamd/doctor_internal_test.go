package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoctor(t *testing.T) {
	const token = "a-token-that-nobody-is-to-see"
	status := http.StatusNotFound
	seen := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			seen <- r.URL.String() + " " + r.Header.Get("Authorization")
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))

	o := do(t, nil, nil, "doctor", server.URL, "--token-file", file, "--topic", "news", "--topic", "b")
	require.Equal(t, exitFailure, o.code)
	require.Equal(t, "/events?topic=news&topic=b Bearer "+token, <-seen)
	require.Regexp(t, `(?m)^fault    answer         404 Not Found`, o.stdout)
	require.Contains(t, o.stderr, "examining the path")
	require.Contains(t, o.stderr, "pushstreamd: the path has faults\n")
	require.NotContains(t, o.stdout+o.stderr, token)

	status = http.StatusBadGateway
	o = do(t, nil, nil, "doctor", server.URL, "--output", "json")
	require.Equal(t, exitUnavailable, o.code)
	require.Equal(t, "pushstreamd: no node could be reached\n", o.stderr)
	require.True(t, json.Valid([]byte(o.stdout)))

	server.Close()
	o = do(t, nil, nil, "doctor", server.URL)
	require.Equal(t, exitUnavailable, o.code)
	require.Contains(t, o.stdout, "connection refused")
}

// A node that wants a credential is no fault of the path, and not all that is well either.
func TestDoctorWithoutACredential(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		challenge := "Bearer"
		if r.Header.Get("Authorization") != "" {
			challenge += ` error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	o := do(t, nil, nil, "doctor", server.URL)
	require.Equal(t, exitForbidden, o.code, o.stderr)
	require.Contains(t, o.stdout, "give one with --token-file")
	require.Regexp(t, `(?m)^faults 0, `, o.stdout)
	require.Contains(t, o.stderr, "pushstreamd: the node wants a credential; give one with --token-file\n")

	o = do(t, nil, nil, "doctor", server.URL, "--token", "wrong", "--output", "json")
	require.Equal(t, exitForbidden, o.code)
	require.Contains(t, o.stdout, `"refused": true`)
	require.Equal(t, "pushstreamd: the node does not take this token; give another one with --token-file\n", o.stderr)
}

func TestDoctorSaysWhatIsWrongWithItsCommandLine(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for fault, args := range map[string][]string{
		"needs one URL":             {},
		"URL: it is not like":       {"events.example"},
		"neither text nor json":     {"http://127.0.0.1:1", "--output", "xml"},
		"both --token and":          {"http://127.0.0.1:1", "--token", "a", "--token-file", "b"},
		"read token: ":              {"http://127.0.0.1:1", "--token-file", none},
		"read authorities: open":    {"http://127.0.0.1:1", "--ca-file", none},
		"has no certificate in PEM": {"http://127.0.0.1:1", "--ca-file", empty},
		"duration: ":                {"http://127.0.0.1:1", "--duration", "1ms"},
		"origin: ":                  {"http://127.0.0.1:1", "--origin", "app.example"},
		"topic: ":                   {"http://127.0.0.1:1", "--topic", "two words"},
	} {
		o := do(t, nil, nil, append([]string{"doctor"}, args...)...)
		require.Equal(t, exitUsage, o.code, "%v", args)
		require.Contains(t, o.stderr, fault)
		require.Empty(t, o.stdout)
	}
}
