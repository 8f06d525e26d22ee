package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	ingestGroup = "pushstream"
	// ingestConsumer is the same on every node, so that the next holder of the lease finds what the last one left.
	ingestConsumer = "ingest"
	ingestCount    = 100
	ingestBlock    = 500 * time.Millisecond
	leaseAge       = 10 * time.Second
	// malformedLength is about how many malformed entries are kept, each value cut to malformedBytes.
	malformedLength = 1000
	malformedBytes  = 4 << 10
)

// Publish is what publishes: a node's own way in, with its checks.
type Publish func(ctx context.Context, publications []backplane.Publication) []backplane.Result

// Ingest publishes what anybody adds to the stream PREFIX:ingest, until ctx ends or the engine is closed:
//
//	XADD pushstream:ingest * target user:42 type order.created data '{"id":7}'
//
// with tenant, key and meta if wished, and text in the place of data for what is no JSON. Of all nodes that do so one works
// at a time, by a lease. An entry is published with its id as key, unless it has one, so that publishing it again after a
// crash stores nothing; then it is removed. What cannot be published goes to the stream {PREFIX:ingest}:malformed with the
// reason.
func (e *Engine) Ingest(ctx context.Context, publish Publish) {
	ctx, cancel := e.alive(ctx)
	defer cancel()
	in := ingest{
		engine: e, publish: publish, holder: newLane().name,
		stream:    e.config.Prefix + ":ingest",
		malformed: "{" + e.config.Prefix + ":ingest}:malformed",
		lease:     "{" + e.config.Prefix + ":ingest}:lease",
	}
	defer in.release(ctx)
	for attempt := 0; ctx.Err() == nil; attempt++ {
		held, err := in.round(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			level := slog.LevelDebug
			if in.trouble.due() {
				level = slog.LevelWarn
			}
			e.log.Log(ctx, level, "read the ingest stream", slog.String("stream", in.stream), slog.String("error", err.Error()+cure(err)))
			in.begun = false
			pause(ctx, attempt)
		case !held:
			in.begun = false
			wait(ctx, leaseAge/4)
		default:
			attempt = 0
		}
	}
}

type ingest struct {
	engine                           *Engine
	publish                          Publish
	holder, stream, malformed, lease string
	begun                            bool // the group exists
	left                             bool // there may be entries that were read and not acknowledged
	trouble                          seldom
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// round publishes what there is, and reports whether this node holds the lease.
func (in *ingest) round(ctx context.Context) (held bool, err error) {
	if held, err = in.hold(ctx); !held || err != nil {
		return false, err
	}
	if !in.begun {
		err = in.engine.servers.commands.XGroupCreateMkStream(ctx, in.stream, ingestGroup, "0").Err()
		if err != nil && !strings.Contains(err.Error(), "BUSYGROUP") {
			return true, fmt.Errorf("create group: %w", err)
		}
		in.begun, in.left = true, true
	}
	entries, err := in.read(ctx)
	if err != nil {
		return true, fmt.Errorf("read group: %w", err)
	}
	if len(entries) == 0 {
		in.left = false
		return true, nil
	}
	return true, in.take(ctx, entries)
}

func (in *ingest) hold(ctx context.Context) (bool, error) {
	held, err := in.prolong(ctx, leaseAge)
	if err != nil {
		return false, fmt.Errorf("take the lease: %w", err)
	}
	return held, nil
}

func (in *ingest) prolong(ctx context.Context, age time.Duration) (held bool, err error) {
	answer, err := in.engine.execute(ctx, invocation{function: functionLease, keys: []string{in.lease}, args: []any{in.holder, age.Milliseconds()}})
	return err == nil && len(answer) == 1 && answer[0] == int64(1), err
}

// release lets another node go on at once. ctx has ended.
func (in *ingest) release(ctx context.Context) {
	if !in.begun || in.engine.isClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	if _, err := in.prolong(ctx, time.Millisecond); err != nil {
		in.engine.log.DebugContext(ctx, "release the lease", slog.Any("error", err)) // it ends by itself
	}
}

// read returns entries that were left first, then new ones.
func (in *ingest) read(ctx context.Context) ([]goredis.XMessage, error) {
	args := &goredis.XReadGroupArgs{
		Group: ingestGroup, Consumer: ingestConsumer, Streams: []string{in.stream, ">"}, Count: ingestCount, Block: ingestBlock,
	}
	if in.left {
		args.Streams[1], args.Block = "0", -1
	}
	found, err := in.engine.servers.commands.XReadGroup(ctx, args).Result()
	if errors.Is(err, goredis.Nil) || err == nil && len(found) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found[0].Messages, nil
}

// take publishes entries, and removes those that need not come again.
func (in *ingest) take(ctx context.Context, entries []goredis.XMessage) error {
	reasons := make([]error, len(entries))
	var publications []backplane.Publication
	var of []int
	for i, entry := range entries {
		p, err := parseIngest(entry)
		if err != nil {
			reasons[i] = err
			continue
		}
		publications, of = append(publications, p), append(of, i)
	}
	var left error
	remains := make([]bool, len(entries))
	for n, r := range in.publish(ctx, publications) {
		i := of[n]
		reasons[i] = r.Err
		if passes(r.Err) {
			remains[i], left = true, r.Err
		}
	}
	in.left = left != nil
	if err := in.remove(ctx, entries, reasons, remains); err != nil {
		in.left = true
		return err
	}
	if left != nil {
		return fmt.Errorf("publish entries: %w", left)
	}
	return nil
}

// passes reports whether an entry that was not published for this reason can be later.
func passes(err error) bool {
	return errors.Is(err, backplane.ErrUnavailable) || errors.Is(err, backplane.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// remove takes entries out of the stream, all in one transaction, and puts aside those that cannot be published.
func (in *ingest) remove(ctx context.Context, entries []goredis.XMessage, reasons []error, remains []bool) error {
	var done []string
	results := make(map[string]int)
	_, err := in.engine.servers.commands.TxPipelined(ctx, func(pipe goredis.Pipeliner) error {
		for i, entry := range entries {
			if remains[i] {
				continue
			}
			done = append(done, entry.ID)
			if reasons[i] == nil {
				results[ResultPublished]++
				continue
			}
			results[ResultMalformed]++
			pipe.XAdd(ctx, &goredis.XAddArgs{Stream: in.malformed, MaxLen: malformedLength, Approx: true, Values: aside(entry, reasons[i])})
		}
		if len(done) > 0 {
			pipe.XAck(ctx, in.stream, ingestGroup, done...)
			pipe.XDel(ctx, in.stream, done...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove entries: %w", err)
	}
	for result, n := range results {
		for range n {
			in.engine.metrics.Ingested(result)
		}
	}
	if n := results[ResultMalformed]; n > 0 {
		in.engine.log.WarnContext(ctx, "entries of the ingest stream cannot be published", slog.Int("entries", n), slog.String("see", in.malformed))
	}
	return nil
}

// aside returns what is kept of an entry that cannot be published.
func aside(entry goredis.XMessage, reason error) []string {
	kept := []string{"reason", reason.Error(), "id", entry.ID}
	for _, name := range slices.Sorted(maps.Keys(entry.Values)) {
		text := fmt.Sprint(entry.Values[name])
		kept = append(kept, "field:"+name[:min(len(name), malformedBytes)], text[:min(len(text), malformedBytes)])
	}
	return kept
}

// parseIngest reads an entry. Names that it does not know are faults: a misspelt key or tenant must not be passed over.
func parseIngest(entry goredis.XMessage) (backplane.Publication, error) {
	p := backplane.Publication{Tenant: event.DefaultTenant(), Key: "ingest:" + entry.ID}
	var faults []error
	data, text := false, false
	for _, name := range slices.Sorted(maps.Keys(entry.Values)) {
		value, _ := entry.Values[name].(string)
		var err error
		switch name {
		case "target":
			var target event.Target
			target, err = event.ParseTarget(value)
			p.Targets = []event.Target{target}
		case "type":
			p.Event.Type, err = event.ParseType(value)
		case "data":
			data = true
			p.Event.Data, err = event.ParseJSON([]byte(value))
		case "text":
			text = true
			p.Event.Data, err = event.Text(value)
		case "meta":
			p.Event.Meta, err = event.ParseObject([]byte(value))
		case "tenant":
			p.Tenant, err = event.ParseTenant(value)
		case "key":
			p.Key = value
		default:
			err = fmt.Errorf("the name %s is not target, type, data, text, meta, tenant or key", event.Quote(name))
		}
		faults = append(faults, err)
	}
	switch {
	case p.Targets == nil:
		faults = append(faults, errors.New("target is missing"))
	case p.Event.Type == event.Type{}:
		faults = append(faults, errors.New("type is missing or wrong"))
	case data == text:
		faults = append(faults, errors.New("one of data and text is needed"))
	}
	return p, errors.Join(faults...)
}
