package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Publish appends and relays. What waits while a call is under way is committed together with the next one, so the more is
// published, the less each event costs.
func (e *Engine) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	results := make([]backplane.Result, len(publications))
	if e.isClosed() {
		failAll(results, fmt.Errorf("publish: %w", backplane.ErrClosed))
		return results
	}
	if len(publications) == 0 {
		return results
	}
	if ctx.Err() != nil { // or it would be stored where Redis is faster than the select below
		failAll(results, unanswered(ctx))
		return results
	}
	r := &request{results: results, answered: make([]bool, len(publications)), waits: len(publications), done: make(chan struct{})}
	items := make([]item, len(publications))
	for i := range publications {
		items[i] = item{request: r, publication: &publications[i], index: i}
	}
	for len(items) > 0 { // what is of one partition goes together, so that it goes into as few calls as it can
		p, n := items[0].partition(e), 1
		for n < len(items) && items[n].partition(e) == p {
			n++
		}
		p.commits.add(items[:n])
		items = items[n:]
	}
	select {
	case <-r.done:
		return results
	case <-ctx.Done():
		return r.soFar(unanswered(ctx))
	}
}

func unanswered(ctx context.Context) error {
	return fmt.Errorf("publish: redis: %w: %w", backplane.ErrUnavailable, ctx.Err())
}

func failAll(results []backplane.Result, err error) {
	for i := range results {
		results[i].Err = err
	}
}

// commits takes the publications of one partition to the server, one call at a time.
type commits struct {
	partition *partition
	lane      lane

	mu      sync.Mutex
	waiting queue
	working bool
}

// lane numbers calls, so that a call can be repeated and none is executed twice.
type lane struct {
	name   string
	number uint64
}

func newLane() lane { return lane{name: rand.Text()[:12]} }

// add queues items, and begins to work if nobody does.
func (c *commits) add(items []item) {
	e := c.partition.engine
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range items {
		c.waiting.add(&items[i])
	}
	switch {
	case c.working:
	case e.start(c.run): // it ends when nothing waits
		c.working = true
	default:
		c.waiting = queue{}
		for i := range items {
			items[i].answer(backplane.Result{Err: fmt.Errorf("publish: %w", backplane.ErrClosed)})
		}
	}
}

func (c *commits) run() {
	ctx, cancel := c.partition.engine.alive(context.Background())
	defer cancel()
	for {
		items := c.next()
		if items == nil {
			return
		}
		c.commit(ctx, &c.lane, items)
	}
}

// next takes as much as one call may have.
func (c *commits) next() []*item {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.waiting.take()
	c.working = taken != nil
	return taken
}

// commit makes one call of items, and answers them. A call whose outcome is unknown is repeated, under the same number,
// until it is known, the time is over, or nobody waits for it any more.
func (c *commits) commit(ctx context.Context, l *lane, items []*item) {
	e := c.partition.engine
	ctx, cancel := context.WithTimeout(ctx, e.config.PublishTimeout)
	defer cancel()
	l.number++
	i := c.partition.publishing(*l, items)
	refused := true // every attempt was, so that the items may go into other calls
	for attempt := 0; ; attempt++ {
		r, err := e.once(ctx, i)
		if err == nil {
			e.metrics.Committed(len(items))
			c.partition.witness.see(r.head)
			c.settle(items, r)
			return
		}
		switch f := faultOf(err); {
		case f == faultMoving && refused && l == &c.lane:
			c.apart(ctx, items)
			return
		case f == faultRefused, f == faultFinal:
			c.refuse(ctx, items, err)
			return
		case f != faultMoving:
			refused = false
		}
		if !e.again(ctx, attempt, err) || abandoned(items) {
			c.refuse(ctx, items, err)
			return
		}
	}
}

// abandoned reports whether everybody has given up who waits for items: what was told to have failed is not tried again, or a
// Redis that comes back would be given it long after.
func abandoned(items []*item) bool {
	return !slices.ContainsFunc(items, func(it *item) bool { return !it.request.isGivenUp() })
}

// apart commits each request's items by themselves, in their order: those for keys that exist, and all that comes after
// them, do not wait for those that have to, until their slot has been moved.
func (c *commits) apart(ctx context.Context, items []*item) {
	e := c.partition.engine
	byRequest := make(map[*request][]*item)
	for _, it := range items {
		byRequest[it.request] = append(byRequest[it.request], it)
	}
	for _, own := range byRequest {
		e.work.Go(func() { // ends within PublishTimeout for each; joined by Close
			l := newLane()
			alive, cancel := e.alive(context.WithoutCancel(ctx))
			defer cancel()
			for i := range own {
				c.commit(alive, &l, own[i:i+1])
			}
		})
	}
}

// refuse answers items whose call has failed.
func (c *commits) refuse(ctx context.Context, items []*item, err error) {
	e := c.partition.engine
	err = fmt.Errorf("publish: %w", e.outcome(ctx, err))
	if !errors.Is(err, backplane.ErrClosed) && c.partition.refusal.due() {
		e.log.WarnContext(ctx, "events are refused", slog.Int("partition", int(c.partition.number)), slog.Int("events", len(items)), slog.Any("error", err))
	}
	for _, it := range items {
		it.answer(backplane.Result{Err: err})
	}
}

// publishing encodes a call: see the function.
func (p *partition) publishing(l lane, items []*item) invocation {
	e := p.engine
	i := invocation{function: functionPublish, keys: []string{p.names.head, p.names.calls, p.names.keys[0], p.names.keys[1]}}
	if e.config.Acknowledge == AcknowledgeReplica {
		i.replicas = e.config.Replicas
	}
	fixed := len(i.keys)
	i.args = append(make([]any, 0, 3+6*len(items)), e.settings, l.name, l.number)
	numbers := make(map[event.LogName]string, len(items))
	for _, it := range items {
		pub := it.publication
		logs := make([]string, len(pub.Targets))
		for n, target := range pub.Targets {
			name := event.LogName{Tenant: pub.Tenant, Target: target}
			number, found := numbers[name]
			if !found {
				i.keys = append(i.keys, p.names.log(name))
				number = strconv.Itoa(len(i.keys) - fixed)
				numbers[name] = number
			}
			logs[n] = number
		}
		mode := ""
		if pub.LiveOnly {
			mode = "live"
		}
		i.args = append(i.args, strings.Join(logs, " "), pub.Event.Type.String(), pub.Event.Data.Bytes(), pub.Event.Meta.String(), pub.Key, mode)
	}
	return i
}

// settle answers items with the results of their call.
func (c *commits) settle(items []*item, r reply) {
	for n, it := range items {
		if n >= len(r.rest) {
			it.answer(backplane.Result{Err: fmt.Errorf("publish: redis: %w: %d results for %d events", backplane.ErrUnavailable, len(r.rest), len(items))})
			continue
		}
		text, _ := r.rest[n].(string)
		positions, err := parseResult(text, it.publication)
		if err != nil {
			err = fmt.Errorf("publish: redis: %w: %w", backplane.ErrUnavailable, err)
		}
		it.answer(backplane.Result{Positions: positions, Err: err})
	}
}

func parseResult(text string, p *backplane.Publication) ([]event.Position, error) {
	if failed, message := strings.CutPrefix(text, "!"); message {
		return nil, errors.New(failed)
	}
	if p.LiveOnly {
		return nil, nil
	}
	words := strings.Fields(text)
	if len(words) != len(p.Targets) {
		return nil, fmt.Errorf("%d positions for %d targets", len(words), len(p.Targets))
	}
	positions := make([]event.Position, len(words))
	for i, w := range words {
		var err error
		if positions[i], err = event.ParsePosition(w); err != nil {
			return nil, err
		}
	}
	return positions, nil
}
