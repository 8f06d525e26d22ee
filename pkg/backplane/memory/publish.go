package memory

import (
	"context"
	"fmt"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Publish appends and passes on in the caller's goroutine. When it returns, the sink has had the events.
//
// The key of an event that is live only keeps it from being passed on twice, and nothing else: it never stands in the way
// of a stored event with the same key.
func (e *Engine) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	results := make([]backplane.Result, len(publications))
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(ctx); err != nil {
		for i := range results {
			results[i].Err = fmt.Errorf("publish: %w", err)
		}
		return results
	}
	e.advance()
	e.keys.turn(e.now())
	for i, p := range publications {
		if p.LiveOnly {
			e.relayOnly(p)
		} else {
			results[i].Positions = e.store(p)
		}
	}
	return results
}

// store appends one publication to the logs that do not have it yet, and returns its position in each.
func (e *Engine) store(p backplane.Publication) []event.Position {
	positions := make([]event.Position, len(p.Targets))
	next, head := e.next(), e.head
	p.Event.Time = next.Time()
	for i, target := range p.Targets {
		k := key{log: event.LogName{Tenant: p.Tenant, Target: target}, name: p.Key}
		if first, repeated := e.keys.find(k); repeated {
			positions[i] = first
			continue
		}
		positions[i] = next
		e.head = next
		e.keys.add(k, next)
		e.relay(e.logs.append(k.log, p.Event, place{position: next, head: head, bound: e.bound(), horizon: e.horizon()}))
	}
	return positions
}

// relayOnly passes one publication on without storing it.
func (e *Engine) relayOnly(p backplane.Publication) {
	p.Event.Time = e.at(e.clock, 0).Time()
	for _, target := range p.Targets {
		k := key{log: event.LogName{Tenant: p.Tenant, Target: target}, name: p.Key, live: true}
		if _, repeated := e.keys.find(k); repeated {
			continue
		}
		e.keys.add(k, event.Position{})
		e.relay(backplane.Entry{Log: k.log, Event: p.Event})
	}
}

func (e *Engine) relay(entry backplane.Entry) {
	if e.sink != nil && e.joined[entry.Log] > 0 {
		e.sink.Relay(entry)
	}
}
