package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

// maxInput is the most bytes that are read for one event.
const maxInput = 64 << 20

// publisher is the command that publishes.
type publisher struct {
	access

	text, batch, liveOnly bool
	key, meta             string
	timeout               time.Duration
}

// publish publishes one event, or many that standard input has.
func (p program) publish(ctx context.Context) *cobra.Command {
	var o publisher
	c := &cobra.Command{
		Use:   "publish TARGET[,TARGET] TYPE [DATA]",
		Short: "Publish an event",
		RunE: func(_ *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return fmt.Errorf("--timeout: %v is not over 0", o.timeout)
			}
			if o.batch {
				return p.publishLines(ctx, &o, args)
			}
			return p.publishOne(ctx, &o, args)
		},
	}
	c.Long = `Publish an event and print its id, once it is stored. DATA is JSON; without it, or where it is -, it is read from standard
input. What may pass is tried again, with the same key, so that nothing is stored twice.

Printed are the id; a line with target and id for each of several targets; or "live" for an event that is live only. With
--batch each line of standard input is an event as in POST /events, and each gets its line, "-" if it is not known to be
stored. What has come is published when no more comes for a moment. What cannot be stored now ends it: nothing behind it is
tried, so that nothing overtakes it. A signal does too, once what was read is published.

The exit code is 0 when all is stored, 1 when the node refuses or a signal left lines of --batch behind, 2 for faults of the
command line, 3 when it is not allowed, and 4 when the node could not be reached, or could not do it, for as long as it was
tried, or until a signal. Then it is not known whether the event was stored: publish it again with the key that is named.`
	c.Example = `  pushstreamd publish user:alice order.created '{"order": 1}'
  pushstreamd publish topic:news,all notice.posted --text "Back at noon"
  generate-events | pushstreamd publish --batch`
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.text, "text", false, "DATA is a text, not JSON; of standard input, without the line end at its end")
	f.StringVar(&o.meta, "meta", "", "a JSON `object` beside the data")
	f.StringVar(&o.key, "key", "", "the event's own `name`: what was stored under it is not stored again (default random)")
	f.BoolVar(&o.liveOnly, "live-only", false, "pass it on to who is connected, and store nothing")
	f.BoolVar(&o.batch, "batch", false, "publish each line of standard input")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long it is tried; with --batch, for each 500 events")
	o.register(f)
	return c
}

func (p program) publishOne(ctx context.Context, o *publisher, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("publish needs TARGET and TYPE, and at most DATA behind them; try --help")
	}
	e := client.Publication{Targets: strings.Split(args[0], ","), Type: args[1], Key: o.key, LiveOnly: o.liveOnly}
	if o.meta != "" {
		meta, err := event.ParseObject([]byte(o.meta))
		if err != nil {
			return fmt.Errorf("--meta: %w", err)
		}
		e.Meta = json.RawMessage(meta.Bytes())
	}
	var err error
	if e.Data, err = p.data(o, args[2:]); err != nil {
		return err
	}
	c, err := o.open(p, o.config())
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, release := p.interruptible(ctx, o.timeout)
	defer release()
	result, err := c.Publish(ctx, e)
	if err != nil {
		return again(answered(err), result.Key)
	}
	if _, err = io.WriteString(p.stdout, told(result)); err != nil {
		return failure(fmt.Errorf("%s, but that could not be written: %w", kept(result), err))
	}
	return nil
}

// config returns how the client publishes: for as long as --timeout lasts.
func (o *publisher) config() client.Config {
	cfg := client.DefaultConfig()
	cfg.Attempts = 1_000_000
	cfg.BackoffMax = 5 * time.Second // a node that comes back shortly before the end is still found
	return cfg
}

// unknown reports whether it is not known what became of an event with that error.
func unknown(err error) bool {
	return !errors.Is(err, client.ErrNotSent) && (codeOf(err) == exitUnavailable || errors.Is(err, client.ErrProtocol))
}

// again says what to do where it is not known what became of an event.
func again(err error, key string) error {
	if !unknown(err) {
		return err
	}
	return exit{code: codeOf(err), error: fmt.Errorf("%w; it is not known to be stored; to publish it again: --key %s", err, terminal(key))}
}

// data returns the event's data, of the argument or of standard input.
func (p program) data(o *publisher, argument []string) (any, error) {
	data, err := p.input(argument)
	if err != nil {
		return nil, err
	}
	if !o.text {
		if _, err = event.ParseJSON(data); err != nil {
			return nil, fmt.Errorf("DATA: %w (a text needs --text)", err)
		}
		return json.RawMessage(data), nil
	}
	if !utf8.Valid(data) { // encoding/json would make something else of it
		return nil, errors.New("DATA: it is not UTF-8, as texts have to be")
	}
	text := string(data)
	if len(argument) == 0 || argument[0] == "-" {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	}
	return text, nil
}

// input returns what the argument says, or standard input.
func (p program) input(argument []string) ([]byte, error) {
	if len(argument) > 0 && argument[0] != "-" {
		return []byte(argument[0]), nil
	}
	data, err := io.ReadAll(io.LimitReader(p.stdin, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	case len(data) > maxInput:
		return nil, fmt.Errorf("standard input has over %d bytes", maxInput)
	}
	return data, nil
}

// told returns what is printed of an event that was published.
func told(r client.Result) string {
	var lines strings.Builder
	switch {
	case len(r.IDs) > 0:
		targets := make([]string, 0, len(r.IDs))
		for target := range r.IDs {
			targets = append(targets, target)
		}
		slices.Sort(targets)
		for _, target := range targets {
			fmt.Fprintf(&lines, "%s %s\n", terminal(target), terminal(r.IDs[target]))
		}
	case r.ID != "":
		fmt.Fprintln(&lines, terminal(r.ID))
	default:
		lines.WriteString("live\n")
	}
	return lines.String()
}

// kept says the same where it cannot be printed.
func kept(r client.Result) string {
	if r.ID == "" && len(r.IDs) == 0 {
		return "the event is passed on, with the key " + terminal(r.Key)
	}
	ids := strings.ReplaceAll(strings.TrimSpace(told(r)), "\n", ", ")
	return fmt.Sprintf("the event is stored, with the id %s and the key %s", ids, terminal(r.Key))
}
