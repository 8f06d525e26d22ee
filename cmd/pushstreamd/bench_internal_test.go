package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/app"
	"github.com/pushstream/pushstream/internal/config"
)

// quick are flags with which a run is over soon.
const quick = " --readers 20 --targets 4 --duration 200ms --warmup 0s --settle 5s"

// realNode starts a node in this process, and returns its URL.
func realNode(t *testing.T) string {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin = "127.0.0.1:0", ""
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	t.Cleanup(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	return "http://" + a.Address()
}

func TestBench(t *testing.T) {
	url := realNode(t)
	o := (&clientRun{}).do(t, strings.Fields("bench --url "+url+quick)...)
	require.Zero(t, o.code, o.stderr)
	require.Empty(t, o.stderr, "no progress where there is no terminal")
	require.Regexp(t, `(?m)^20 of 20 readers of 4 targets, `, o.stdout)
	require.Regexp(t, `(?m)^lost +0$`, o.stdout)

	plot := filepath.Join(t.TempDir(), "latency.svg")
	o = (&clientRun{environ: []string{envClientURL + "=" + url}}).do(t, strings.Fields("bench --format json --plot "+plot+" --rate 0 --batch 3"+quick)...)
	require.Zero(t, o.code, o.stderr)
	var report struct{ Connected, Lost int }
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &report))
	require.Equal(t, 20, report.Connected)
	text, err := os.ReadFile(plot)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "<svg "))
}

func TestBenchExitCodes(t *testing.T) {
	refuses := newFakeNode(t, says(http.StatusForbidden, `{"code":"forbidden","detail":"not this topic"}`))
	for args, want := range map[string]outcome{
		"--readers 0":              {code: exitUsage, stderr: "readers: 0 is not 1 to"},
		"--size 1":                 {code: exitUsage, stderr: "size: 1 is not 64 to"},
		"--readers 9999999":        {code: exitUsage, stderr: "raise the limit"},
		"--format xml":             {code: exitUsage, stderr: "--format: \"xml\" is neither table nor json"},
		"--plot /nowhere/at/all":   {code: exitUsage, stderr: "--plot: "},
		"--url localhost":          {code: exitUsage, stderr: "--url: "},
		"--token t --token-file f": {code: exitUsage, stderr: "give one of them"},
		"--publish-token t --publish-token-file f": {code: exitUsage, stderr: "publisher: "},
		"now":                       {code: exitUsage, stderr: "unknown command"},
		"--url " + refuses.URL:      {code: exitForbidden, stderr: "not this topic"},
		"--url http://127.0.0.1:1/": {code: exitUnavailable, stderr: "connection refused"},
	} {
		o := (&clientRun{}).do(t, strings.Fields("bench "+args)...)
		require.Equal(t, want.code, o.code, "%s: %s", args, o.stderr)
		require.Contains(t, o.stderr, want.stderr, args)
		require.Empty(t, o.stdout, args)
	}
}
