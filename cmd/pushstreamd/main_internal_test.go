package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/internal/config"
)

// envMain makes the test binary be the program.
const envMain = "PUSHSTREAM_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// outcome is what a command line led to.
type outcome struct {
	code           int
	stdout, stderr string
	// cfg is what was served with, nil where nothing was.
	cfg *config.Config
}

// do runs a command line. The node that it starts ends with serveErr.
func do(t *testing.T, serveErr error, environ []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	var o outcome
	p := program{
		stdout: &stdout, stderr: &stderr, environ: environ,
		signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
		run: func(ctx context.Context, _ <-chan struct{}, cfg config.Config, log *slog.Logger) error {
			o.cfg = &cfg
			log.DebugContext(ctx, "running")
			return serveErr
		},
	}
	o.code = p.main(t.Context(), args)
	o.stdout, o.stderr = stdout.String(), stderr.String()
	return o
}

func TestServing(t *testing.T) {
	for _, args := range [][]string{
		{"--listen", "127.0.0.1:1", "--log-level=debug"}, {"serve", "--listen", "127.0.0.1:1", "--log-level=debug"}, {"--listen", "127.0.0.1:1", "--log-level=debug", "serve"},
	} {
		o := do(t, nil, nil, args...)
		require.Equal(t, 0, o.code, o.stderr)
		require.NotNil(t, o.cfg, "%v", args)
		require.Equal(t, "127.0.0.1:1", o.cfg.Listen)
		require.Contains(t, o.stderr, `"message":"running"`)
		require.Empty(t, o.stdout)
	}
	o := do(t, nil, []string{"PUSHSTREAM_LISTEN=127.0.0.1:2"})
	require.Equal(t, "127.0.0.1:2", o.cfg.Listen)
	require.Empty(t, o.stderr)
}

func TestAFailureIsOneLineEachAndCodeOne(t *testing.T) {
	o := do(t, errors.Join(errors.New("listen: address in use"), errors.New("stop broker: late")), nil)
	require.Equal(t, 1, o.code)
	require.Equal(t, "pushstreamd: listen: address in use\npushstreamd: stop broker: late\n", o.stderr)
}

func TestWrongUseIsCodeTwo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(file, []byte("limits: {conections: 1}\n"), 0o600))
	for args, want := range map[string]string{
		"--listn x":                       "pushstreamd: unknown flag --listn; did you mean --listen?\n",
		"serve --limits-connections many": "pushstreamd: limits.connections (--limits-connections): \"many\" is not a whole number\n",
		"--limits-connections 0":          "pushstreamd: limits.connections: 0 is not 1 to 10000000\n",
		"srve":                            "pushstreamd: unknown command \"srve\" for pushstreamd; did you mean serve?\n",
		"serve now":                       "pushstreamd: unknown command \"now\" for pushstreamd serve\n",
		"version now":                     "pushstreamd: unknown command \"now\" for pushstreamd version\n",
		"config":                          "pushstreamd: config needs one of its commands: print or check\n",
		"config chek":                     "pushstreamd: unknown command \"chek\" for pushstreamd config; did you mean check?\n",
		"config print --drain-window x":   "pushstreamd: drain.window (--drain-window): \"x\" is not a duration",
		"--config " + file:                "unknown setting \"limits.conections\"; did you mean limits.connections?\n",
		"--config " + file + ".not":       "no such file",
		"config print --config " + file:   "unknown setting",
		"--listen 0.0.0.0:8080":           "--insecure-dev",
		"completion":                      "pushstreamd: completion needs a shell: bash, fish, powershell, zsh\n",
		"completion foo":                  "pushstreamd: unknown command \"foo\" for pushstreamd completion\n",
		"completion bash now":             "pushstreamd: unknown command \"now\" for pushstreamd completion bash\n",
		"help bogus":                      "pushstreamd: unknown command \"bogus\" for pushstreamd\n",
		"help config prit":                "pushstreamd: unknown command \"prit\" for pushstreamd config; did you mean print?\n",
	} {
		o := do(t, nil, nil, strings.Fields(args)...)
		require.Equal(t, 2, o.code, args)
		require.Contains(t, o.stderr, want, args)
		require.Equal(t, 1, strings.Count(o.stderr, "\n"), "%s: no usage dump:\n%s", args, o.stderr)
		require.Empty(t, o.stdout, args)
		require.Nil(t, o.cfg, args)
	}
}

func TestConfigCheck(t *testing.T) {
	o := do(t, nil, nil, "config", "check", "--node", "n")
	require.Equal(t, outcome{}, o, "no faults, no words")

	o = do(t, nil, []string{"PUSHSTREAM_DRAIN_WINDOW=soon", "PUSHSTREAM_NOD=x", "PUSHSTREAM_LIMITS_TOPICS=0"}, "config", "check", "--listen=:80")
	require.Equal(t, 2, o.code)
	faults := strings.Split(strings.TrimSpace(o.stderr), "\n")
	require.Len(t, faults, 4)
	for _, fault := range faults {
		require.True(t, strings.HasPrefix(fault, "pushstreamd: "), fault)
	}
}

func TestConfigPrint(t *testing.T) {
	o := do(t, nil, []string{"PUSHSTREAM_ADMIN_TOKEN=correct-horse-battery"}, "config", "print", "--limits-topics=7")
	require.Equal(t, 0, o.code)
	require.Contains(t, o.stdout, "  topics: 7 # --limits-topics\n")
	require.Contains(t, o.stdout, "admin_token: \"(set)\" # PUSHSTREAM_ADMIN_TOKEN\n")

	o = do(t, nil, nil, "config", "print", "--limits-topics=0")
	require.Equal(t, 2, o.code, "it is printed, and found wrong")
	require.Contains(t, o.stdout, "  topics: 0 # --limits-topics\n")
	require.Contains(t, o.stderr, "limits.topics: 0 is not 1 to 10000\n")
}

func TestHelp(t *testing.T) {
	o := do(t, nil, nil, "--help")
	require.Equal(t, 0, o.code)
	require.Nil(t, o.cfg)
	for _, word := range []string{"SIGTERM", "serve ", "config ", "version ", "--listen string", "(default \"127.0.0.1:8080\")", "--stream-heartbeat duration", "--config file", "six random characters"} {
		require.Contains(t, o.stdout, word)
	}
	require.Less(t, strings.Index(o.stdout, "--stream-heartbeat"), strings.Index(o.stdout, "--drain-delay"), "the order of the reference")
	o = do(t, nil, nil, "config", "print", "--help")
	require.Equal(t, 0, o.code)
	require.Contains(t, o.stdout, "(set)")
}

func TestHelpOfACommand(t *testing.T) {
	for args, want := range map[string]string{"help": "Available Commands", "help config print": "(set)", "help completion bash": "completion bash"} {
		o := do(t, nil, nil, strings.Fields(args)...)
		require.Zero(t, o.code, args)
		require.Contains(t, o.stdout, want, args)
	}
	o := do(t, nil, nil, "completion", "bash")
	require.Zero(t, o.code)
	require.Contains(t, o.stdout, "__start_pushstreamd")
}

// full is an output that takes nothing.
type full struct{}

// Write fails.
func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAFullOutputIsNoFaultOfTheCommandLine(t *testing.T) {
	for _, args := range []string{"version", "config print", "completion bash", "completion zsh"} {
		var stderr strings.Builder
		p := program{stdout: full{}, stderr: &stderr}
		require.Equal(t, exitFailure, p.main(t.Context(), strings.Fields(args)), args)
		require.Contains(t, stderr.String(), "no space left", args)
	}
}

func TestVersion(t *testing.T) {
	o := do(t, nil, nil, "version")
	require.Equal(t, 0, o.code)
	require.Regexp(t, `^pushstreamd .+\n(revision .+\n)?go1\.\d+.* \w+/\w+\nwire protocol 1\n$`, o.stdout)

	text := versionText(&debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	})
	require.True(t, strings.HasPrefix(text, "pushstreamd v1.2.3\nrevision abc with changes\n"), text)
	require.True(t, strings.HasPrefix(versionText(nil), "pushstreamd unknown\ngo"))
}

func TestSignals(t *testing.T) {
	const (
		drains = 1 << iota
		stops
		released
	)
	for name, c := range map[string]struct {
		signals []os.Signal
		want    int
	}{
		"none":             {nil, 0},
		"SIGTERM":          {[]os.Signal{syscall.SIGTERM}, drains},
		"SIGINT":           {[]os.Signal{os.Interrupt}, stops | released},
		"SIGTERM, SIGTERM": {[]os.Signal{syscall.SIGTERM, syscall.SIGTERM}, drains | stops | released},
		"SIGTERM, SIGINT":  {[]os.Signal{syscall.SIGTERM, os.Interrupt}, drains | stops | released},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				caught := make(chan os.Signal, len(c.signals))
				for _, s := range c.signals {
					caught <- s
				}
				have := 0
				stopped := false
				ctx, drain, release := obey(t.Context(), caught, func() { stopped = true })
				synctest.Wait()
				select {
				case <-drain:
					have |= drains
				default:
				}
				if ctx.Err() != nil {
					have |= stops
				}
				if stopped {
					have |= released
				}
				require.Equal(t, c.want, have)
				release()
				require.True(t, stopped)
				require.Error(t, ctx.Err())
			})
		})
	}
}

// The process itself: exit codes and real signals.
func TestProcess(t *testing.T) {
	for args, want := range map[string]int{"version": 0, "config check": 0, "--nonsense": 2} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], strings.Fields(args)...)
		cmd.Env = append(os.Environ(), envMain+"=1")
		_ = cmd.Run()
		require.Equal(t, want, cmd.ProcessState.ExitCode(), args)
	}
}

func TestRealSignalsAreCaught(t *testing.T) {
	caught, stop := systemSignals()
	defer stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	require.Equal(t, syscall.SIGTERM, <-caught)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	require.Equal(t, os.Interrupt, <-caught)
}
