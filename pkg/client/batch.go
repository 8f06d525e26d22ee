package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// pending is an event of a batch that has no result yet.
type pending struct {
	body   []byte
	result *Result
}

// PublishBatch publishes events, as many a request as Config.BatchEvents and BatchBytes allow, one request after the other.
// It returns a result for each event, in the same order, also when it returns an error: that is not nil where any event was
// not stored, and wraps the first one's.
//
// An event that is refused does not keep the others from being stored. A request that is too large for the server is sent in
// two halves, and so on; an event that is too large alone is refused like any other. Only events whose own result may pass
// are sent again, up to Config.Attempts times, with their keys. Where such events remain, or a whole request failed, the
// requests behind it are not sent, and their events have ErrNotSent.
//
// Events of the same target keep their order, but for this: when one of a request could not be stored at first, and
// later ones of that request were, it comes after them. Where that does harm, publish the events one by one.
func (c *Client) PublishBatch(ctx context.Context, events []Publication) ([]Result, error) {
	results := make([]Result, len(events))
	var waiting []pending
	for i := range events {
		body, key, err := events[i].encode()
		results[i].Key, results[i].Err = key, err
		if err == nil {
			waiting = append(waiting, pending{body, &results[i]})
		}
	}
	var stopped error
	for len(waiting) > 0 {
		n := c.fit(waiting)
		stopped = c.publishChunk(ctx, waiting[:n], stopped)
		waiting = waiting[n:]
	}
	failed := 0
	var first error
	for i := range results {
		if err := results[i].Err; err != nil {
			if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		return results, fmt.Errorf("publish batch: %d of %d events: %w", failed, len(events), first)
	}
	return results, nil
}

// fit returns how many go into one request; one at least.
func (c *Client) fit(waiting []pending) int {
	size := 2
	for i, p := range waiting {
		size += len(p.body) + 1
		if i == c.cfg.BatchEvents || i > 0 && size > c.cfg.BatchBytes {
			return i
		}
	}
	return len(waiting)
}

// publishChunk publishes what goes into one request, unless something before it has stopped all. It returns an error if
// another request should not follow.
func (c *Client) publishChunk(ctx context.Context, chunk []pending, stopped error) error {
	if stopped != nil {
		for _, p := range chunk {
			p.result.Err = fmt.Errorf("%w: %w", ErrNotSent, stopped)
		}
		return stopped
	}
	err := c.attempts(ctx, func(ctx context.Context, base *url.URL) error {
		var err error
		chunk, err = c.postBatch(ctx, base, chunk)
		return err
	})
	tooLarge := errors.Is(err, ErrTooLarge) // the request: nothing of it was stored
	if half := len(chunk) / 2; tooLarge && half > 0 {
		return c.publishChunk(ctx, chunk[half:], c.publishChunk(ctx, chunk[:half], nil))
	}
	if err != nil {
		for _, p := range chunk {
			p.result.Err = err
		}
	}
	if tooLarge {
		return nil // it is the event's own fault
	}
	return err
}

// postBatch sends events once. It returns those that are worth sending again and why, or all where the whole request
// failed.
func (c *Client) postBatch(ctx context.Context, base *url.URL, events []pending) ([]pending, error) {
	answer, err := c.post(ctx, base, join(events))
	if err != nil {
		return events, err
	}
	var got struct {
		Results []answered `json:"results"`
	}
	if err = json.Unmarshal(answer, &got); err != nil {
		return events, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if len(got.Results) != len(events) {
		return events, fmt.Errorf("%w: it has %d results for %d events", ErrProtocol, len(got.Results), len(events))
	}
	var again []pending
	var why error
	for i, a := range got.Results {
		p := events[i]
		p.result.Err = a.into(p.result)
		if p.result.Err != nil && passes(p.result.Err) {
			again, why = append(again, p), p.result.Err
		}
	}
	return again, why
}

func join(events []pending) []byte {
	size := 2
	for _, p := range events {
		size += len(p.body) + 1
	}
	body := append(make([]byte, 0, size), '[')
	for i, p := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, p.body...)
	}
	return append(body, ']')
}
