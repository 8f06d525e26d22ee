package memory

import (
	"context"
	"fmt"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Replay reads one page after the other: events may be published between two of them, behind every Through that is a head
// read before.
func (e *Engine) Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
	pages := make([]backplane.Page, len(queries))
	for i, q := range queries {
		var err error
		if pages[i], err = e.page(ctx, q); err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
	}
	return pages, nil
}

func (e *Engine) page(ctx context.Context, q backplane.Query) (backplane.Page, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(ctx); err != nil {
		return backplane.Page{}, err
	}
	e.advance()
	looks := q.After.IsZero()
	if !looks && (q.After.Timeline() != e.timeline || e.birth.After(q.After) || q.After.After(e.head)) {
		return backplane.Page{Gap: event.GapLost}, nil
	}
	found := e.logs.find(q.Log, e.horizon())
	if found == nil {
		if looks {
			return backplane.Page{}, nil
		}
		return backplane.Page{Gap: e.absent(q.After)}, nil
	}
	rest := found.value.behind(q.After)
	page := backplane.Page{}
	if !looks {
		page.Gap = gap(rest, q.After)
	}
	bytes := 0
	for _, r := range rest {
		entry := r.value.entry
		if entry.Position.After(q.Through) {
			break
		}
		if len(page.Entries) >= q.Limit || bytes >= q.Bytes {
			page.Full = true
			break
		}
		page.Entries = append(page.Entries, entry)
		bytes += entry.Event.Size()
	}
	return page, nil
}

// absent is the verdict where there is no log.
func (e *Engine) absent(after event.Position) event.GapReason {
	if after != e.head && e.bound().After(after) {
		return event.GapExpired
	}
	return event.GapNone
}

// gap is the verdict of what a log has behind a position.
func gap(rest []*node[record], after event.Position) event.GapReason {
	switch {
	case len(rest) == 0 || !rest[0].value.entry.Prev.After(after):
		return event.GapNone
	case rest[0].value.entry.Loose:
		return event.GapExpired
	default:
		return event.GapTrimmed
	}
}
