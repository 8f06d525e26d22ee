package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Replay reads all pages in one call.
func (e *Engine) Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	if e.isClosed() {
		return nil, fmt.Errorf("replay: %w", backplane.ErrClosed)
	}
	if len(queries) == 0 {
		return nil, nil
	}
	p := e.partitionOf(queries[0].Log.Tenant)
	r, err := e.read(ctx, p, p.replaying(queries))
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	pages, err := e.pages(queries, r)
	if err != nil {
		return nil, fmt.Errorf("replay: redis: %w: %w", backplane.ErrUnavailable, err)
	}
	return pages, nil
}

func (p *partition) replaying(queries []backplane.Query) invocation {
	i := invocation{function: functionReplay, keys: append(make([]string, 0, 1+len(queries)), p.names.head)}
	i.args = append(make([]any, 0, 1+5*len(queries)), p.engine.settings)
	for n, q := range queries {
		i.keys = append(i.keys, p.names.log(q.Log))
		after := ""
		if !q.After.IsZero() {
			after = q.After.String()
		}
		i.args = append(i.args, n+1, after, string(appendPlace(nil, q.Through)), q.Limit, q.Bytes)
	}
	return i
}

func (e *Engine) pages(queries []backplane.Query, r reply) ([]backplane.Page, error) {
	if len(r.rest) != len(queries)+1 {
		return nil, fmt.Errorf("%d pages for %d queries", len(r.rest)-1, len(queries))
	}
	ends, _ := r.rest[0].(string)
	history, err := parseTimelines(ends, r.head.Timeline())
	if err != nil {
		return nil, err
	}
	pages := make([]backplane.Page, len(queries))
	for i := range queries {
		// While the relay is in doubt, another server may have answered than the one that the head was read from. What it
		// does not have before that head is not known to be all.
		if !history.has(queries[i].Through, r.head) {
			return nil, fmt.Errorf("%s is of another history than the pages", queries[i].Through)
		}
		answer, _ := r.rest[i+1].([]any)
		if pages[i], err = e.page(queries[i].Log, history, answer); err != nil {
			return nil, fmt.Errorf("parse page: %w", err)
		}
	}
	return pages, nil
}

// page reads a verdict, whether the page is full, and its entries.
func (e *Engine) page(log event.LogName, history timelines, answer []any) (backplane.Page, error) {
	if len(answer) < 2 {
		return backplane.Page{}, errors.New("it has no verdict")
	}
	verdict, _ := answer[0].(string)
	full, _ := answer[1].(int64)
	page := backplane.Page{Gap: event.GapReason(verdict), Full: full == 1}
	for _, a := range answer[2:] {
		entry, err := parseEntry(log, history, a)
		if err != nil {
			// History that cannot be read is lost, and said to be.
			e.unreadable("entry", log, err)
			return backplane.Page{Gap: event.GapLost}, nil
		}
		if n := len(page.Entries); n > 0 && entry.Prev.After(page.Entries[n-1].Position) && page.Gap == event.GapNone {
			page.Gap = event.GapTrimmed // somebody has deleted entries in between
		}
		page.Entries = append(page.Entries, entry)
	}
	return page, nil
}

// parseEntry reads an entry of a stream: its id, and names and values by turns.
func parseEntry(log event.LogName, history timelines, answer any) (backplane.Entry, error) {
	entry := backplane.Entry{Log: log}
	parts, _ := answer.([]any)
	if len(parts) != 2 {
		return entry, errors.New("it is no entry of a stream")
	}
	id, _ := parts[0].(string)
	at, err := parsePlace(id)
	if err != nil {
		return entry, err
	}
	if entry.Position, err = history.position(at); err != nil {
		return entry, err
	}
	var kind, data, meta, prev string
	fields, _ := parts[1].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		value, _ := fields[i+1].(string)
		switch fields[i] {
		case "type":
			kind = value
		case "data":
			data = value
		case "meta":
			meta = value
		case "prev":
			prev = value
		}
	}
	prev, entry.Loose = strings.CutPrefix(prev, "~")
	before, err := parsePlace(prev)
	if err != nil {
		return entry, fmt.Errorf("parse prev: %w", err)
	}
	if entry.Prev, err = history.position(before); err != nil {
		return entry, err
	}
	if entry.Event, err = parseEvent(kind, data, meta); err != nil {
		return entry, err
	}
	entry.Event.Time = entry.Position.Time()
	return entry, nil
}

// parseEvent reads an event that may have been written by anybody.
func parseEvent(kind, data, meta string) (event.Event, error) {
	var e event.Event
	var err error
	if e.Type, err = event.ParseType(kind); err != nil {
		return e, err
	}
	if e.Data, err = event.ParseJSON([]byte(data)); err != nil {
		return e, err
	}
	if meta != "" {
		e.Meta, err = event.ParseObject([]byte(meta))
	}
	return e, err
}
