package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
)

// lane is one target as its publisher has it.
type lane struct {
	topic string
	sent  sent
}

// plan is when publishers publish, since the begin of the run.
type plan struct {
	begin, measure, end time.Duration
	every               time.Duration // from one request of a publisher to its next; 0 is at once
}

// publisher sends one request after the other, for targets that nobody else sends to. It belongs to one goroutine, but for its
// counters.
type publisher struct {
	client *client.Client
	clock  func() time.Duration
	plan   plan
	lanes  []*lane
	size   int
	batch  int

	due  time.Duration
	turn int
	acks histogram

	measured uint64        // acknowledged events that are measured
	last     time.Duration // when the last of them was acknowledged
	doubtful uint64        // events that were not acknowledged
	worst    error         // why, for the last one

	acknowledged atomic.Uint64 // events, warm-up included
}

// run publishes until the plan or ctx ends. A request that is under way then ends by itself, or with hard. It returns an error
// where going on is of no use.
func (p *publisher) run(ctx, hard context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		at, ok := p.wait(ctx, timer)
		if !ok {
			return nil
		}
		if err := p.publish(hard, at); err != nil {
			return err
		}
	}
}

// wait waits until the next request is due, and returns when it was sent, so to say. A publisher that is late, because the
// answer before it was slow, counts from when the request was due: what waits in it is what readers wait for, and leaving it out
// would hide every stall of the server. One that slept counts from when it woke: timers are no faster than a millisecond.
func (p *publisher) wait(ctx context.Context, timer *time.Timer) (at time.Duration, ok bool) {
	now := p.clock()
	switch {
	case ctx.Err() != nil || now >= p.plan.end:
		return 0, false
	case p.plan.every == 0:
		return now, true
	}
	at = p.due
	p.due += p.plan.every
	if at >= p.plan.end {
		return 0, false
	}
	if at <= now {
		return at, true
	}
	timer.Reset(at - now)
	select {
	case <-timer.C:
		return p.clock(), true
	case <-ctx.Done():
		return 0, false
	}
}

// posted is an event of a request.
type posted struct {
	lane   *lane
	number uint64
}

// publish sends one request, whose events count from at on. It returns an error where another one is of no use.
func (p *publisher) publish(ctx context.Context, at time.Duration) error {
	if at < p.plan.measure {
		at = 0
	}
	posts := make([]posted, p.batch)
	events := make([]client.Publication, p.batch)
	for i := range events {
		l := p.lanes[p.turn%len(p.lanes)]
		p.turn++
		posts[i] = posted{l, l.sent.end}
		events[i] = client.Publication{
			Targets: []string{"topic:" + l.topic}, Type: eventType, Key: l.topic + "." + strconv.FormatUint(l.sent.end, 10),
			Data: json.RawMessage(appendPayload(make([]byte, 0, p.size), l.sent.end, at, p.size)),
		}
		l.sent.end++
	}
	results, err := p.send(ctx, events)
	now := p.clock()
	for i, r := range results {
		if r.Err != nil {
			posts[i].lane.sent.doubtful = append(posts[i].lane.sent.doubtful, posts[i].number)
			p.doubtful++
			p.worst = r.Err
			continue
		}
		p.acknowledged.Add(1)
		if at > 0 {
			p.measured++
			p.last = now
			p.acks.add(now - at)
		}
	}
	if hopeless(err) {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// send sends one request, again and again with the same keys where that may help. Of a batch that was stored in parts the rest
// comes after what was behind it: that the node was asked for, and is told as out of order all the same.
func (p *publisher) send(ctx context.Context, events []client.Publication) ([]client.Result, error) {
	if len(events) > 1 {
		return p.client.PublishBatch(ctx, events)
	}
	result, err := p.client.Publish(ctx, events[0])
	result.Err = err
	return []client.Result{result}, err
}

// hopeless reports whether the next event would fare no better.
func hopeless(err error) bool {
	for _, sentinel := range []error{
		client.ErrInvalid, client.ErrTooLarge, client.ErrUnauthorized, client.ErrForbidden, client.ErrRevoked, client.ErrProtocol,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}
