package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
)

// batchLines is how many lines are published together.
const batchLines = 500

// batch publishes what standard input has.
type batch struct {
	program

	client  *client.Client
	timeout time.Duration
	lines   []line // that were read, and not published yet
	failed  int    // how many events were not stored
	worst   error  // and why: the one with the highest exit code
}

// publishLines publishes what standard input has, so many lines at a time.
func (p program) publishLines(ctx context.Context, o *publisher, args []string) error {
	if len(args) > 0 || o.text || o.key != "" || o.meta != "" || o.liveOnly {
		return errors.New("--batch: standard input says everything about the events; leave the other arguments out")
	}
	c, err := o.open(p)
	if err != nil {
		return err
	}
	defer c.Close()
	b := &batch{program: p, client: c, timeout: o.timeout}
	lines := bufio.NewScanner(p.stdin)
	lines.Buffer(nil, maxInput)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if b.lines = append(b.lines, parseLine(number, lines.Bytes())); len(b.lines) < batchLines {
			continue
		}
		if err = b.publish(ctx); err != nil {
			return err
		}
		if codeOf(b.worst) >= exitForbidden {
			return exit{code: codeOf(b.worst), error: fmt.Errorf("%d events were not stored, and nothing behind line %d was tried", b.failed, number)}
		}
	}
	if err = b.publish(ctx); err != nil {
		return err
	}
	if err = lines.Err(); err != nil {
		return failure(fmt.Errorf("read standard input: %w", err))
	}
	if b.failed > 0 {
		return exit{code: codeOf(b.worst), error: fmt.Errorf("%d events were not stored", b.failed)}
	}
	return nil
}

// publish publishes the lines that were read, and prints a line for each. It returns an error if it cannot be printed.
func (b *batch) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	var events []client.Publication
	for _, l := range b.lines {
		if l.err == nil {
			events = append(events, l.event)
		}
	}
	results, _ := b.client.PublishBatch(ctx, events) //nolint:errcheck // the results say all of it
	for _, l := range b.lines {
		result := client.Result{Err: l.err}
		if l.err == nil {
			result, results = results[0], results[1:]
		}
		tell := b.print
		if result.Err != nil {
			tell = func(r client.Result) error { return b.refused(l.number, r) }
		}
		if err := tell(result); err != nil {
			return err
		}
	}
	b.lines = b.lines[:0]
	return nil
}

// refused tells that an event was not stored.
func (b *batch) refused(number int, r client.Result) error {
	reason := answered(r.Err)
	b.failed++
	if codeOf(reason) > codeOf(b.worst) {
		b.worst = reason
	}
	_, _ = fmt.Fprintf(b.stderr, "pushstreamd: line %d: %s\n", number, terminal(again(reason, r.Key).Error())) //nolint:errcheck // there is nowhere else to tell
	if _, err := io.WriteString(b.stdout, "-\n"); err != nil {
		return failure(fmt.Errorf("write: %w", err))
	}
	return nil
}

// line is an event of a batch, or why it is none.
type line struct {
	number int
	event  client.Publication
	err    error
}

// parseLine reads an event as POST /events takes it.
func parseLine(number int, text []byte) line {
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
	l := line{number: number}
	switch l.err = decoder.Decode(&in); {
	case l.err != nil:
		return l
	case decoder.More():
		l.err = errors.New("more than one JSON value")
		return l
	case in.Data == nil:
		l.err = errors.New("data is missing; an event without data has null")
		return l
	case in.Target != "" && in.Targets != nil:
		l.err = errors.New("both target and targets are given")
		return l
	case in.Target != "":
		in.Targets = []string{in.Target}
	}
	l.event = client.Publication{Targets: in.Targets, Type: in.Type, Data: in.Data, Key: in.Key, LiveOnly: in.LiveOnly}
	if in.Meta != nil && string(in.Meta) != "null" {
		l.event.Meta = in.Meta
	}
	return l
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
