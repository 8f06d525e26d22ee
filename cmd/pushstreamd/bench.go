package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/bench"
	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

// benchmark is the command that puts load on a deployment.
type benchmark struct {
	access

	cfg          bench.Config
	urls         []string
	publishToken string
	publishFile  string
	format, plot string
	caFile       string
}

// bench puts load on a deployment and tells how it bears that.
func (p program) bench(ctx context.Context) *cobra.Command {
	o := benchmark{cfg: bench.DefaultConfig()}
	c := &cobra.Command{
		Use: "bench", Short: "Put load on a deployment, and see what it does", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return p.load(ctx, &o) },
	}
	c.Long = `Hold many streams, publish events to them, and say how fast that was, and whether every event that was acknowledged came to
every reader that it was for, once and in order. Readers that are told to go come back, as browsers do.

It is for deployments of your own: what it does to them it does to their readers, too. Events go to topics with random names.
With authentication, a token for them is made by

  pushstreamd token --topic 'bench.*' --publish 'topic:bench.*' --expires 24h

Latencies count from when an event was due: a request that waits for the one before it, because the node is slow, is late.

The exit code is 0 when nothing was lost and nothing came out of order, 1 otherwise and when nothing could be measured, 2 for
faults of the command line and more readers than files may be open, 3 when it is not allowed, and 4 when no node could be
reached. Ctrl-C ends it early, with a report; what goes wrong then counts as well.`
	c.Example = `  pushstreamd bench --readers 1000 --targets 10 --rate 500
  pushstreamd bench --url https://events.example.com --token-file token --duration 1m --plot latency.svg
  pushstreamd bench --url http://10.0.0.1:8080 --url http://10.0.0.2:8080 --rate 0 --batch 100 --format json`
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.urls, "url", nil, "`URL` of a node or balancer; can be given many times, or with commas ("+envClientURL+", default \""+defaultURL+"\")")
	o.registerToken(f)
	f.StringVar(&o.publishToken, "publish-token", "", "a publisher's `key` or token; others on this machine may see it here (default the readers' token)")
	f.StringVar(&o.publishFile, "publish-token-file", "", "`file` with a publisher's key or token")
	f.IntVar(&o.cfg.Readers, "readers", o.cfg.Readers, "how many streams are held")
	f.IntVar(&o.cfg.Targets, "targets", o.cfg.Targets, "over how many topics the readers are spread, at most one for each")
	f.Float64Var(&o.cfg.Rate, "rate", o.cfg.Rate, "events a second; 0: as fast as they are acknowledged")
	f.IntVar(&o.cfg.Size, "size", o.cfg.Size, "bytes of an event's data")
	f.IntVar(&o.cfg.Batch, "batch", o.cfg.Batch, "events of a request")
	f.IntVar(&o.cfg.Publishers, "publishers", o.cfg.Publishers, "requests under way at a time, at most one for each topic")
	f.DurationVar(&o.cfg.Duration, "duration", o.cfg.Duration, "how long is published and measured")
	f.DurationVar(&o.cfg.Warmup, "warmup", o.cfg.Warmup, "how long is published before that")
	f.DurationVar(&o.cfg.Settle, "settle", o.cfg.Settle, "how long is waited at most, after that, for what has not come")
	f.IntVar(&o.cfg.Connecting, "connecting", o.cfg.Connecting, "connections on their way at a time")
	f.StringVar(&o.cfg.Topic, "topic", o.cfg.Topic, "how the `names` of the topics begin")
	f.BoolVar(&o.cfg.HTTP2, "http2", false, "readers speak HTTP/2: with https as browsers do, with http as proxies do to nodes")
	f.BoolVar(&o.cfg.Goroutines, "goroutines", false, "a goroutine for each reader, as with https, with HTTP/2 and on other systems than Linux")
	f.StringVar(&o.caFile, "ca-file", "", "`file` with the certificates (PEM) of the authorities to believe in place of the system's")
	f.StringVar(&o.format, "format", "table", "table or json")
	f.StringVar(&o.plot, "plot", "", "`file` for a plot of latencies, as SVG")
	return c
}

// load runs the benchmark and prints what came of it.
func (p program) load(ctx context.Context, o *benchmark) error {
	if o.format != "table" && o.format != "json" {
		return fmt.Errorf("--format: %s is neither table nor json", event.Quote(o.format))
	}
	o.url = strings.Join(o.urls, ",")
	if err := o.configure(p); err != nil {
		return err
	}
	if err := o.cfg.Validate(); err != nil {
		return err
	}
	if err := placeable(o.plot); err != nil {
		return err
	}
	ctx, release := p.interruptible(ctx, 0)
	defer release()
	o.cfg.Progress = p.progress()
	report, err := bench.Run(ctx, o.cfg)
	if o.cfg.Progress != nil {
		p.status("")
	}
	if err != nil {
		return benchFailure(err)
	}
	write := report.WriteTable
	if o.format == "json" {
		write = report.WriteJSON
	}
	if err = errors.Join(write(p.stdout), o.draw(report)); err != nil {
		return failure(err)
	}
	if err = report.Err(); err != nil {
		return failure(err)
	}
	return nil
}

// configure fills in where to go, and with which credentials.
func (o *benchmark) configure(p program) error {
	settings := client.DefaultConfig()
	if err := o.fill(p, &settings); err != nil {
		return err
	}
	if _, err := client.New(settings); err != nil { // it has connected to nothing
		return fmt.Errorf("--url: %w", err)
	}
	if o.caFile != "" {
		var err error
		if o.cfg.RootCAs, err = authorities(o.caFile); err != nil {
			return err
		}
	}
	o.cfg.URLs, o.cfg.Credential = settings.URLs, settings.Credential
	if o.publishToken == "" && o.publishFile == "" {
		return nil
	}
	publish := access{url: o.url, token: o.publishToken, tokenFile: o.publishFile}
	if err := publish.fill(p, &settings); err != nil {
		return fmt.Errorf("publisher: %w", err)
	}
	o.cfg.PublishCredential = settings.Credential
	return nil
}

// benchFailure gives an error of a run its exit code.
func benchFailure(err error) error {
	if errors.Is(err, bench.ErrFiles) {
		return err
	}
	if errors.Is(err, bench.ErrNothing) {
		return failure(err)
	}
	return answered(err)
}

// progress returns what shows how a run goes, where there is a terminal to show it on.
func (p program) progress() func(bench.Progress) {
	f, ok := p.stderr.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) || p.variable("TERM") == "dumb" {
		return nil
	}
	var before bench.Progress
	return func(now bench.Progress) {
		seconds := max(now.Elapsed-before.Elapsed, time.Millisecond).Seconds()
		p.status(fmt.Sprintf("%s: %d of %d readers, %.0f acknowledged/s, %.0f delivered/s, %d reconnects", now.Phase, now.Open, now.Readers,
			float64(now.Acknowledged-before.Acknowledged)/seconds, float64(now.Delivered-before.Delivered)/seconds, now.Reconnects))
		before = now
	}
}

// status writes over the line before.
func (p program) status(text string) {
	_, _ = io.WriteString(p.stderr, "\r\x1b[K"+text) //nolint:errcheck // there is nowhere else to tell
}

// placeable checks, before time is spent on it, that a file can be where it is to be.
func placeable(name string) error {
	if name == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(name)); err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}

// draw writes the plot, if there is to be one.
func (o *benchmark) draw(r bench.Report) error {
	if o.plot == "" {
		return nil
	}
	f, err := os.Create(o.plot)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return errors.Join(r.WriteSVG(f), f.Close())
}
