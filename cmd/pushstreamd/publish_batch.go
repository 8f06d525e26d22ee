package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// batchLines and batchBytes are how many lines are published together, and how much: not more is held.
	batchLines = 500
	batchBytes = 4 << 20
	// batchWait is how long a line waits for others.
	batchWait = 100 * time.Millisecond
	// batchGrace is how long what was read may take to be published after a signal.
	batchGrace = 5 * time.Second
)

// batch publishes what standard input has.
type batch struct {
	program

	client  *client.Client
	timeout time.Duration

	lines []line // that were read, and not published yet
	bytes int    // that they have
	last  int    // the number of the last line that was read

	refused   int   // how many events were not stored,
	doubtful  int   // and how many are not known to be
	worst     error // and why: the one with the highest exit code
	unwritten error // why results cannot be printed
}

// publishLines publishes what standard input has, so many lines at a time.
func (p program) publishLines(ctx context.Context, o *publisher, args []string) error {
	if len(args) > 0 || o.text || o.key != "" || o.meta != "" || o.liveOnly {
		return errors.New("--batch: standard input says everything about the events; leave the other arguments out")
	}
	c, err := o.open(p, o.config())
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, interrupted, release := p.gentle(ctx)
	defer release()
	b := &batch{program: p, client: c, timeout: o.timeout}
	return b.outcome(b.run(ctx, readLines(ctx, p.stdin), interrupted))
}

// gentle returns a channel that a signal closes, and a context that ends a while after that. The caller calls release.
func (p program) gentle(ctx context.Context) (_ context.Context, interrupted <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	caught, stop := p.signals()
	asked := make(chan struct{})
	done := make(chan struct{})
	go func() { // release joins it
		defer close(done)
		select {
		case <-caught:
			stop() // a second signal kills a command that hangs
			close(asked)
		case <-ctx.Done():
			stop()
			return
		}
		grace := time.NewTimer(batchGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, asked, func() {
		cancel(nil)
		<-done
	}
}

// run publishes the lines that come. It returns what is to be said of those that were not tried.
func (b *batch) run(ctx context.Context, in *input, interrupted <-chan struct{}) (rest string) {
	var due <-chan time.Time
	for {
		select {
		case l, more := <-in.lines:
			if !more {
				b.publish(ctx)
				return in.rest
			}
			if !b.add(l) {
				if due == nil {
					due = time.After(batchWait)
				}
				continue
			}
		case <-due:
		case <-interrupted:
			if b.publish(ctx) {
				return in.left()
			}
			return b.behind()
		}
		due = nil
		if !b.publish(ctx) {
			return b.behind()
		}
	}
}

func (b *batch) behind() string { return fmt.Sprintf("nothing behind line %d was tried", b.last) }

// add takes a line, and reports whether it is time to publish.
func (b *batch) add(l line) bool {
	b.lines, b.bytes, b.last = append(b.lines, l), b.bytes+l.bytes, l.number
	return len(b.lines) >= batchLines || b.bytes >= batchBytes
}

// publish publishes the lines that were read, and prints a line for each. It reports whether more may be published.
func (b *batch) publish(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, b.timeout, errEnough)
	defer cancel()
	var events []client.Publication
	for _, l := range b.lines {
		if l.err == nil {
			events = append(events, l.event)
		}
	}
	results, _ := b.client.PublishBatch(ctx, events) //nolint:errcheck // the results say all of it
	goOn := true
	for _, l := range b.lines {
		result := client.Result{Err: l.err}
		if l.err == nil {
			result, results = results[0], results[1:]
			goOn = goOn && !overtaken(result.Err)
		}
		b.tell(l.number, result)
	}
	b.lines, b.bytes = b.lines[:0], 0
	return goOn && b.unwritten == nil
}

// overtaken reports whether an event with that error may be stored yet, when it is published again: what is behind it must
// not come before it. Of what the event itself is to blame for, nothing more will be.
func overtaken(err error) bool {
	refused, byServer := errors.AsType[*client.Error](err)
	switch {
	case err == nil:
		return false
	case errors.Is(err, client.ErrNotSent):
		return true
	case byServer:
		return refused.Status != 400 && refused.Status != 413 && refused.Status != 422
	}
	return !errors.Is(err, client.ErrInvalid)
}

// tell prints what became of an event; on standard error, too, what was not stored, and what cannot be printed.
func (b *batch) tell(number int, r client.Result) {
	text := "-\n"
	if r.Err == nil {
		text = told(r)
	}
	if b.unwritten == nil {
		_, b.unwritten = io.WriteString(b.stdout, text)
	}
	switch {
	case r.Err != nil:
		b.refuse(number, r)
	case b.unwritten != nil:
		b.say(number, kept(r))
	}
}

// refuse notes, and tells, that an event is not known to be stored.
func (b *batch) refuse(number int, r client.Result) {
	reason := answered(r.Err)
	if unknown(reason) {
		b.doubtful++
	} else {
		b.refused++
	}
	if codeOf(reason) > codeOf(b.worst) {
		b.worst = reason
	}
	b.say(number, again(reason, r.Key).Error())
}

func (b *batch) say(number int, text string) {
	_, _ = fmt.Fprintf(b.stderr, "pushstreamd: line %d: %s\n", number, terminal(text)) //nolint:errcheck // there is nowhere else to tell
}

// outcome returns what is to be said in the end, with what there is to say of lines that were not tried; nil where all is
// stored.
func (b *batch) outcome(rest string) error {
	var words []string
	if b.refused > 0 {
		words = append(words, fmt.Sprintf("%d events were not stored", b.refused))
	}
	if b.doubtful > 0 {
		words = append(words, fmt.Sprintf("%d events are not known to be stored", b.doubtful))
	}
	if b.unwritten != nil {
		words = append(words, fmt.Sprintf("not all could be printed: write: %v", b.unwritten))
	}
	if rest != "" {
		words = append(words, rest)
	}
	if len(words) == 0 {
		return nil
	}
	return exit{code: max(codeOf(b.worst), exitFailure), error: errors.New(strings.Join(words, ", and "))}
}

// parse reads an event as POST /events takes it.
func (l *line) parse(text []byte) error {
	var in struct {
		Target   string          `json:"target"`
		Targets  []string        `json:"targets"`
		Type     string          `json:"type"`
		Data     json.RawMessage `json:"data"`
		Meta     json.RawMessage `json:"meta"`
		Key      string          `json:"key"`
		LiveOnly bool            `json:"live_only"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return notAnEvent(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the event")
	}
	// encoding/json takes names in any letters, and the last of those that are there twice: no node does.
	document, err := event.ParseDocument(text)
	if err != nil {
		return err
	}
	if _, err = document.Fields("target", "targets", "type", "data", "meta", "key", "live_only"); err != nil {
		return err
	}
	switch {
	case in.Data == nil:
		return errors.New("data is missing; an event without data has null")
	case in.Target != "" && in.Targets != nil:
		return errors.New("both target and targets are given")
	case in.Target != "":
		in.Targets = []string{in.Target}
	}
	l.event = client.Publication{Targets: in.Targets, Type: in.Type, Data: in.Data, Key: in.Key, LiveOnly: in.LiveOnly}
	if in.Meta != nil && string(in.Meta) != "null" {
		l.event.Meta = in.Meta
	}
	return nil
}

// notAnEvent says what is wrong with a JSON text, in words that know nothing of Go.
func notAnEvent(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case wrong.Field == "":
		return fmt.Errorf("it is no object, but a JSON %s", wrong.Value)
	}
	return fmt.Errorf("%s is a JSON %s", wrong.Field, wrong.Value)
}

// codeOf returns an error's exit code, 0 for none. An error of a line that is no event is like one that the node refuses.
func codeOf(err error) int {
	if err == nil {
		return exitOK
	}
	if o, known := errors.AsType[exit](err); known {
		return o.code
	}
	return exitFailure
}
