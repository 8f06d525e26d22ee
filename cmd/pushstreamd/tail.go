package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

var (
	// errEnough ends what has lasted for its time.
	errEnough = errors.New("the time is up")
	// errInterrupted ends what a signal ended.
	errInterrupted = errors.New("interrupted")
)

// tailing is the command that reads.
type tailing struct {
	access

	topics        []string
	user, session string
	since, output string
	count         int
	timeout       time.Duration
	ticket        bool
}

// tail prints events as they come.
func (p program) tail(ctx context.Context) *cobra.Command {
	var o tailing
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return p.follow(ctx, &o) },
	}
	c.Long = `Print the events for all, for the reader of the token, and for the topics that are named, as they come. When the connection
ends, it is opened again, and nothing is missed. Gaps and reconnects are told on standard error; and in the end, where to go on.

The exit code is 0 after --count events, after --timeout without --count, and after Ctrl-C; 1 when the node ended the stream for
good, or there were fewer than --count events; 2 for faults of the command line, 3 when it is not allowed, and 4 when no node
could be reached before --timeout.`
	c.Example = `  pushstreamd tail --topic news
  pushstreamd tail --user alice --output json --count 1 --timeout 10s`
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.topics, "topic", nil, "a `topic` to read; can be given many times")
	f.StringVar(&o.user, "user", "", "who the reader is: a user's `ID`, in development mode")
	f.StringVar(&o.session, "session", "", "and the session's `ID`, in development mode")
	f.StringVar(&o.since, "since", "", "the `id` behind which to begin (default now)")
	f.StringVar(&o.output, "output", "pretty", "pretty: time, target, type and data; json: an envelope a line")
	f.IntVar(&o.count, "count", 0, "end after so many events; 0: never")
	f.DurationVar(&o.timeout, "timeout", 0, "end after this time; 0: never")
	f.BoolVar(&o.ticket, "ticket", false, "connect with tickets, as browsers do, instead of the token")
	o.register(f)
	return c
}

// follow subscribes and prints.
func (p program) follow(ctx context.Context, o *tailing) error {
	switch {
	case o.output != "pretty" && o.output != "json":
		return fmt.Errorf("--output: %s is neither pretty nor json", event.Quote(o.output))
	case o.count < 0:
		return fmt.Errorf("--count: %d is under 0", o.count)
	case o.timeout < 0:
		return fmt.Errorf("--timeout: %v is under 0", o.timeout)
	}
	c, err := o.open(p, client.DefaultConfig())
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, release := p.interruptible(ctx, o.timeout)
	defer release()
	news := &news{to: p.stderr}
	stream, err := c.Subscribe(ctx, client.Subscription{
		Topics: o.topics, User: o.user, Session: o.session, LastEventID: o.since, Ticket: o.ticket, Buffer: 100,
		OnGap: news.gap, OnState: news.state,
	})
	if err != nil {
		return err
	}
	seen, at, err := p.printEvents(stream, o)
	_ = stream.Close() //nolint:errcheck // it returns none
	if at != "" {
		news.say("to go on from here: --since " + at)
	}
	switch {
	case err == nil, errors.Is(err, errInterrupted):
		return nil
	case !errors.Is(err, errEnough):
		return answered(err)
	case !news.wasOpen():
		return exit{code: exitUnavailable, error: fmt.Errorf("no stream could be opened within %v", o.timeout)}
	case seen < o.count:
		return failure(fmt.Errorf("there were %d events within %v", seen, o.timeout))
	}
	return nil
}

// printEvents prints as many events as are asked for, and returns how many there were, and where to go on: before the event
// that could not be printed, if there is one. The error is why there were no more.
func (p program) printEvents(stream *client.Stream, o *tailing) (seen int, at string, err error) {
	format := formatPretty(colourful(p))
	if o.output == "json" {
		format = formatJSON
	}
	printed := o.since
	for e, err := range stream.Events() {
		if err != nil {
			return seen, stream.LastEventID(), err
		}
		text, err := format(e)
		if err != nil {
			return seen, printed, failure(err)
		}
		if _, err = io.WriteString(p.stdout, text); err != nil {
			return seen, printed, failure(fmt.Errorf("write: %w", err))
		}
		printed = stream.LastEventID()
		if seen++; seen == o.count {
			break
		}
	}
	return seen, stream.LastEventID(), nil
}

// interruptible returns a context that a signal ends, or the time: never, if that is 0. The caller calls release.
func (p program) interruptible(ctx context.Context, timeout time.Duration) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	caught, stop := p.signals()
	done := make(chan struct{})
	go func() { // release joins it
		defer close(done)
		defer stop() // a second signal kills a command that hangs
		var up <-chan time.Time
		if timeout > 0 {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			up = timer.C
		}
		select {
		case <-caught:
			cancel(errInterrupted)
		case <-up:
			cancel(errEnough)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// news tells what is no event. It is safe for concurrent use.
type news struct {
	mu     sync.Mutex
	to     io.Writer
	opened bool
	away   bool
}

func (n *news) say(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.write(text)
}

// write writes a line; mu is held.
func (n *news) write(text string) {
	_, _ = fmt.Fprintln(n.to, "pushstreamd: "+terminal(text)) //nolint:errcheck // there is nowhere else to tell
}

func (n *news) wasOpen() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened
}

func (n *news) gap(g client.Gap) {
	what := "events are missing"
	if len(g.Targets) > 0 { // none: whichever
		what += " for " + strings.Join(g.Targets, ", ")
	}
	n.say(fmt.Sprintf("gap (%s): %s", g.Reason, what))
}

func (n *news) state(s client.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch s.Phase {
	case client.PhaseOpen:
		n.opened = true
		if n.away {
			n.write("connected again, to " + s.Node)
		}
		n.away = false
	case client.PhaseWaiting:
		n.away = true
		why := "the connection ended"
		if s.Err != nil {
			why = s.Err.Error()
		}
		n.write(fmt.Sprintf("%s; again in %v", why, s.Wait.Round(time.Millisecond)))
	case client.PhaseLive:
	}
}

// colourful reports whether standard output is a terminal that wants colours (no-color.org).
func colourful(p program) bool {
	f, ok := p.stdout.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && p.variable("NO_COLOR") == "" && p.variable("TERM") != "dumb"
}
