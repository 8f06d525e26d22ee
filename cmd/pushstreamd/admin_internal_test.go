package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// console starts what answers an order like this, and returns its address.
func console(t *testing.T, status int, kind, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestAdminBelievesNodesOnly(t *testing.T) {
	const isJSON = "application/json; charset=UTF-8"
	for name, c := range map[string]struct {
		args       string
		status     int
		kind, body string
		want       int
	}{
		"nodes":              {"nodes", 200, isJSON, `{"nodes":[],"complete":true}`, exitOK},
		"not all":            {"nodes", 200, isJSON, `{"nodes":null,"complete":false}`, exitUnavailable},
		"a page":             {"nodes", 200, "text/html", "<html>", exitFailure},
		"a page, as JSON":    {"nodes --output json", 200, "text/html", "<html>", exitFailure},
		"nonsense":           {"nodes --output json", 200, isJSON, "<html>", exitFailure},
		"JSON of others":     {"nodes --output json", 200, isJSON, `{"status":"ok"}`, exitFailure},
		"of another shape":   {"nodes", 200, isJSON, `{"nodes":7}`, exitFailure},
		"JSON as text":       {"nodes", 200, "text/plain", `{"nodes":[],"complete":true}`, exitFailure},
		"nothing":            {"nodes", 200, isJSON, "", exitFailure},
		"no content":         {"nodes", 204, "", "", exitFailure},
		"ready":              {"ready", 204, "", "", exitOK},
		"ready with a body":  {"ready", 200, isJSON, `{"complete":true}`, exitFailure},
		"ready with nothing": {"ready", 200, "", "", exitFailure},
		"drain":              {"drain", 202, "", "", exitOK},
		"drain with a body":  {"drain", 202, "text/html", "<html>", exitFailure},
		"drain with a page":  {"drain", 200, "text/html", "<html>", exitFailure},
		"ended":              {"end --user a", 200, isJSON, `{"ended":1,"complete":true}`, exitOK},
		"log":                {"log --target all", 200, isJSON, `{"events":[],"more":true}`, exitOK},
		"connections":        {"connections --user a", 200, isJSON, `{"connections":[],"total":0,"complete":true}`, exitOK},
		"a fault":            {"log", 422, "application/problem+json", `{"detail":"bad target"}`, exitUsage},
		"a fault of others":  {"log", 422, "text/html", "<html>", exitFailure},
		"bad request":        {"logout", 400, "application/problem+json", `{"detail":"bad"}`, exitUsage},
		"token":              {"nodes", 401, "application/problem+json", `{"detail":"bad"}`, exitForbidden},
		"away":               {"nodes", 503, "application/problem+json", `{"detail":"bad"}`, exitUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"admin"}, strings.Fields(c.args)...)
			o := do(t, nil, nil, append(args, "--admin", console(t, c.status, c.kind, c.body))...)
			require.Equal(t, c.want, o.code, o.stderr)
			if c.status < 300 && c.want == exitFailure {
				require.Empty(t, o.stdout)
				if name != "of another shape" {
					require.Contains(t, o.stderr, "not an answer of a node")
				}
			}
		})
	}
}

func TestAdminWithAFullOutput(t *testing.T) {
	address := console(t, 200, "application/json", `{"nodes":[],"complete":true}`)
	for _, output := range []string{"text", "json"} {
		var stderr strings.Builder
		p := program{stdout: full{}, stderr: &stderr}
		require.Equal(t, exitFailure, p.main(t.Context(), []string{"admin", "nodes", "--admin", address, "--output", output}))
		require.Contains(t, stderr.String(), "no space left")
	}
}

func TestShowLog(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, showLog(&b, []byte(`{"events":[{"id":"x.1-0","type":"a.b","data":1,"time":"2026-11-23T13:45:11Z"}],"more":true}`)))
	require.Contains(t, b.String(), "more: --after x.1-0\n")
	b.Reset()
	require.NoError(t, showLog(&b, []byte(`{"events":[],"more":true}`)))
	require.NotContains(t, b.String(), "more:")
}
