package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/app"
	"github.com/pushstream/pushstream/internal/config"
)

const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	// exitForbidden is for a credential that is wrong, or grants too little.
	exitForbidden = 3
	// exitUnavailable is for a node that cannot be reached, or asks to try again later.
	exitUnavailable = 4
)

// program is the command without the process around it.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// environ is as from os.Environ.
	environ []string
	// signals begins to catch the signals that stop a node; stop ends that.
	signals func() (caught <-chan os.Signal, stop func())
	// run is a node's life: it ends with a drain when drain is closed, and at once when ctx ends.
	run func(ctx context.Context, drain <-chan struct{}, cfg config.Config, log *slog.Logger) error
}

// exit is an error with an exit code of its own. All other errors are the caller's: exitUsage.
type exit struct {
	error

	code int
}

// Unwrap returns the error.
func (e exit) Unwrap() error { return e.error }

// failure is the exit of something that was begun, and failed.
func failure(err error) error { return exit{code: exitFailure, error: err} }

// main runs the command line and returns the exit code. Each fault is one line on standard error.
func (p program) main(ctx context.Context, args []string) int {
	root := p.root(ctx)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintln(p.stderr, "pushstreamd: "+line) //nolint:errcheck // there is nowhere else to tell
	}
	if o, known := errors.AsType[exit](err); known {
		return o.code
	}
	return exitUsage
}

func (p program) root(ctx context.Context) *cobra.Command {
	root := p.serve(ctx, "pushstreamd")
	root.Long = `pushstreamd is one node of PushStream: it takes events over HTTP and pushes them to browsers as Server-Sent
Events. Without any setting it serves this machine on 127.0.0.1:8080 and keeps recent events in memory.

Every flag is also a setting in the YAML file that --config names, and an environment variable: --limits-connections is
limits: {connections: ...} and PUSHSTREAM_LIMITS_CONNECTIONS. The command line counts before the environment, and the
environment before the file.

The other commands are clients of a node. The exit code is 0 when it is done, 1 when it failed, 2 when the command line or the
configuration is wrong, 3 when the credential is wrong or grants too little, and 4 when the node cannot be reached.

SIGTERM drains: readers are told to go to another node, spread over a while. SIGINT, or a second signal, stops at once.`
	root.Example = `  pushstreamd --listen 127.0.0.1:9000
  pushstreamd --config pushstream.yaml --log-level debug
  PUSHSTREAM_STREAM_HEARTBEAT=5s pushstreamd serve
  pushstreamd publish user:alice order.created '{"order": 1}'
  pushstreamd tail --user alice
  source <(pushstreamd completion bash)`
	serve := p.serve(ctx, "serve")
	serve.Long = "Serve until a signal comes, as pushstreamd does without a command."
	configure := &cobra.Command{
		Use: "config", Short: "Look at the configuration", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("config needs one of its commands: print or check")
		},
	}
	configure.AddCommand(p.configPrint(), p.configCheck())
	root.AddCommand(serve, p.publish(ctx), p.tail(ctx), p.token(), p.admin(ctx), p.doctor(ctx), p.bench(ctx), configure, p.health(ctx), p.version())
	root.SilenceErrors, root.SilenceUsage = true, true // main prints errors, and usage is for who asks
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return config.FlagError(err) })
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	completion(root)
	help(root)
	return root
}

// completion has cobra add its command, and makes it find faults: cobra shows help to who misspells a shell, as if all were
// well, and takes an output that is full for a fault of the command line.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c := child(root, "completion")
	var shells []string
	for _, shell := range c.Commands() {
		shells = append(shells, shell.Name())
		write := shell.RunE
		shell.Args = noArgs
		shell.RunE = func(c *cobra.Command, args []string) error {
			if err := write(c, args); err != nil {
				return failure(fmt.Errorf("write: %w", err))
			}
			return nil
		}
	}
	c.Args = noArgs
	c.RunE = func(*cobra.Command, []string) error {
		return errors.New("completion needs a shell: " + strings.Join(shells, ", "))
	}
}

// help has cobra add its command, and makes it find faults: cobra shows the help of the command above one that is not there.
func help(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	c := child(root, "help")
	show := c.Run
	c.Run = nil
	c.RunE = func(c *cobra.Command, args []string) error {
		found, rest, err := root.Find(args)
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			return noArgs(found, rest)
		}
		show(c, args)
		return nil
	}
}

// child returns the command of that name below another. It has to be there.
func child(of *cobra.Command, name string) *cobra.Command {
	for _, c := range of.Commands() {
		if c.Name() == name {
			return c
		}
	}
	panic("there is no command " + name)
}

// command returns a command that takes all settings.
func command(use, short string, run func(*cobra.Command) error) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return run(c) },
	}
	c.Flags().SortFlags = false // the order of the reference
	config.Register(c.Flags())
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + near[0] + "?"
	}
	return fmt.Errorf("unknown command %q for %s%s", args[0], c.CommandPath(), hint)
}

func (p program) serve(ctx context.Context, use string) *cobra.Command {
	return command(use, "Serve until a signal comes", func(c *cobra.Command) error {
		l, err := config.Load(c.Flags(), p.environ)
		if err = errors.Join(err, l.Config.Validate()); err != nil {
			return err
		}
		log, err := app.NewLogger(p.stderr, l.Config.Log)
		if err != nil {
			return err
		}
		caught, stop := p.signals()
		life, drain, release := obey(ctx, caught, stop)
		defer release()
		if err := p.run(life, drain, l.Config, log); err != nil {
			return failure(err)
		}
		return nil
	})
}

func (p program) configPrint() *cobra.Command {
	c := command("print", "Print every setting and where it comes from", func(c *cobra.Command) error {
		l, err := config.Load(c.Flags(), p.environ)
		if err != nil {
			return err
		}
		if err = l.WriteYAML(p.stdout); err != nil {
			return failure(fmt.Errorf("write: %w", err))
		}
		return l.Config.Validate()
	})
	c.Long = "Print every setting as YAML, with where it comes from as a comment. Secrets are shown as \"(set)\"."
	return c
}

func (p program) configCheck() *cobra.Command {
	c := command("check", "Name all faults of the configuration", func(c *cobra.Command) error {
		l, err := config.Load(c.Flags(), p.environ)
		return errors.Join(err, l.Config.Validate())
	})
	c.Long = "Name all faults of the configuration, one a line on standard error. The exit code is 0 if there are none, else 2."
	return c
}

func (p program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			if _, err := io.WriteString(p.stdout, versionText(info)); err != nil {
				return failure(fmt.Errorf("write: %w", err))
			}
			return nil
		},
	}
}
