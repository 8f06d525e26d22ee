package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/doctor"
	"github.com/pushstream/pushstream/pkg/event"
)

// doctorOptions are the flags of doctor that a run does not take as they are.
type doctorOptions struct {
	tokenFile, caFile, output string
}

// doctor measures what is between here and a node.
func (p program) doctor(ctx context.Context) *cobra.Command {
	cfg := doctor.DefaultConfig("")
	var o doctorOptions
	c := &cobra.Command{
		Use: "doctor URL", Short: "Find out what proxies on the way to a node do to its streams",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("doctor needs one URL, like https://events.example.com")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cfg.URL = args[0]
			return p.examine(ctx, cfg, o)
		},
	}
	c.Long = `Read, publish and come back as browsers do, through whatever is between here and a node, and say what it does to the
streams: a line for each check, with what was measured, and for each fault the line to change in nginx, HAProxy or Caddy.
It takes about 35 seconds with a heartbeat of 15 seconds.

Events of its own are live only, so they are kept nowhere. They go to a topic with a random name; where the token may not
read that, to the first --topic.

The exit code is 0 when all is well or there are only warnings, 1 for faults, 2 for faults of the command line, 3 when the
node wants a token, or another one, and so there was little to look at, and 4 when no node could be reached.`
	c.Example = `  pushstreamd doctor http://localhost:8080
  pushstreamd doctor https://events.example.com --token-file token --origin https://app.example.com
  pushstreamd doctor https://events.example.com --duration 10m --output json`
	c.Flags().SortFlags = false
	c.Flags().StringVar(&cfg.Token, "token", "", "a reader's `token`; other users of this machine may see it here, so rather use --token-file")
	c.Flags().StringVar(&o.tokenFile, "token-file", "", "`file` with a reader's token; - for standard input")
	c.Flags().StringVar(&cfg.PublishToken, "publish-token", "", "a publisher's `key` or token; the reader's token is tried without one")
	c.Flags().StringVar(&cfg.Origin, "origin", "", "the `origin` of your pages, like https://app.example.com, to check CORS")
	c.Flags().StringArrayVar(&cfg.Topics, "topic", nil, "a `topic` to read, without topic: in front; may be given many times")
	c.Flags().DurationVar(&cfg.Duration, "duration", 0, "how long a stream is left alone, 1s to 24h (default two heartbeats)")
	c.Flags().StringVar(&o.caFile, "ca-file", "", "`file` with the certificates (PEM) of the authorities to believe in place of the system's")
	c.Flags().StringVar(&o.output, "output", "text", "text or json")
	return c
}

func (p program) examine(ctx context.Context, cfg doctor.Config, o doctorOptions) error {
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output: %s is neither text nor json", event.Quote(o.output))
	}
	if cfg.Token != "" && o.tokenFile != "" {
		return errors.New("both --token and --token-file are given; give one of them")
	}
	var err error
	if o.tokenFile != "" {
		if cfg.Token, err = p.readToken(o.tokenFile); err != nil {
			return err
		}
	}
	if o.caFile != "" {
		if cfg.RootCAs, err = authorities(o.caFile); err != nil {
			return err
		}
	}
	if err = cfg.Validate(); err != nil {
		return err
	}
	if o.output == "text" {
		if _, err = fmt.Fprintf(p.stderr, "examining the path; it takes about %v with the usual heartbeat\n", max(cfg.Duration, 35*time.Second)); err != nil {
			return failure(fmt.Errorf("write: %w", err))
		}
	}
	r, err := doctor.Run(ctx, cfg)
	if err != nil {
		return failure(err)
	}
	write := r.WriteText
	if o.output == "json" {
		write = r.WriteJSON
	}
	if err = write(p.stdout); err != nil {
		return failure(err)
	}
	switch {
	case !r.Reached:
		return exit{code: exitUnavailable, error: errors.New("no node could be reached")}
	case r.Refused && cfg.Token == "":
		return exit{code: exitForbidden, error: errors.New("the node wants a credential; give one with --token-file")}
	case r.Refused:
		return exit{code: exitForbidden, error: errors.New("the node does not take this token; give another one with --token-file")}
	case r.Level == doctor.Fault:
		return failure(errors.New("the path has faults"))
	default:
		return nil
	}
}

// authorities returns the certificates of a file.
func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // whoever calls the command names the file
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read authorities: %s has no certificate in PEM", event.Quote(file))
	}
	return pool, nil
}
