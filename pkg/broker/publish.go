package broker

import (
	"context"
	"fmt"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Publish stores and relays publications, and returns a result for each, in their order: one that is refused leaves the
// others alone. It blocks until the backplane has answered, for Config.PublishTimeout at most. Errors are those of this
// package and of the backplane.
func (b *Broker) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	results := make([]backplane.Result, len(publications))
	accepted := make([]backplane.Publication, 0, len(publications))
	for i, p := range publications {
		if err := b.check(p); err != nil {
			results[i].Err = err
		} else {
			accepted = append(accepted, p)
		}
	}
	if len(accepted) == 0 {
		return results
	}
	answers := b.engine.Publish(ctx, accepted)
	published := 0
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		if results[i], answers = answers[0], answers[1:]; results[i].Err == nil {
			published++
		}
	}
	b.metrics.Published(published)
	return results
}

// check refuses what the values themselves allow.
func (b *Broker) check(p backplane.Publication) error {
	if size := p.Event.Size(); size > b.cfg.EventBytes {
		return fmt.Errorf("%w: it has %d bytes, the most is %d", ErrTooLarge, size, b.cfg.EventBytes)
	}
	if len(p.Key) > backplane.MaxKey {
		return fmt.Errorf("%w: the key has %d bytes, the most is %d", ErrInvalid, len(p.Key), backplane.MaxKey)
	}
	if len(p.Targets) == 0 {
		return fmt.Errorf("%w: it has no target", ErrInvalid)
	}
	seen := make(map[event.Target]struct{}, len(p.Targets))
	for _, t := range p.Targets {
		if _, twice := seen[t]; twice {
			return fmt.Errorf("%w: target %s is named twice", ErrInvalid, event.Quote(t.String()))
		}
		seen[t] = struct{}{}
	}
	return nil
}
