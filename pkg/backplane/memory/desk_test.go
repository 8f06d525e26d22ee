package memory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

// desk is an engine whose clock the test moves by hand. Nothing runs beside the test.
type desk struct {
	*memory.Engine

	t   require.TestingT
	now time.Time
}

func newDesk(t require.TestingT, change func(c *memory.Config)) *desk {
	d := &desk{t: t, now: time.UnixMilli(1_700_000_000_000)}
	config := memory.DefaultConfig()
	change(&config)
	engine, err := memory.NewAt(config, func() time.Time { return d.now })
	require.NoError(t, err)
	d.Engine = engine
	return d
}

func (d *desk) pass(age time.Duration) { d.now = d.now.Add(age) }

func log(name string) event.LogName {
	target, err := event.Topic(name)
	if err != nil {
		panic(err)
	}
	return event.LogName{Tenant: event.DefaultTenant(), Target: target}
}

// put stores an event whose entry counts with so many bytes, EntryOverhead included.
func (d *desk) put(bytes int, names ...string) event.Position {
	return d.publish(backplane.Publication{Event: sized(bytes)}, names...)
}

func sized(bytes int) event.Event {
	data, err := event.ParseJSON([]byte(`"` + strings.Repeat("x", bytes-memory.EntryOverhead-2) + `"`))
	if err != nil {
		panic(err)
	}
	return event.Event{Data: data}
}

func (d *desk) publish(p backplane.Publication, names ...string) event.Position {
	p.Tenant = event.DefaultTenant()
	for _, name := range names {
		p.Targets = append(p.Targets, log(name).Target)
	}
	r := d.Publish(background, []backplane.Publication{p})[0]
	require.NoError(d.t, r.Err)
	return r.Positions[0]
}

func (d *desk) head() event.Position {
	head, err := d.Head(background, 0)
	require.NoError(d.t, err)
	return head
}

// since returns the positions behind a cursor, and the verdict.
func (d *desk) since(name string, after event.Position) ([]event.Position, event.GapReason) {
	page := d.page(backplane.Query{Log: log(name), After: after, Through: d.head(), Limit: 1000, Bytes: 1 << 30})
	var positions []event.Position
	for _, e := range page.Entries {
		positions = append(positions, e.Position)
	}
	return positions, page.Gap
}

func (d *desk) page(q backplane.Query) backplane.Page {
	pages, err := d.Replay(background, []backplane.Query{q})
	require.NoError(d.t, err)
	return pages[0]
}

// expect holds what a log has behind a cursor against what it should have.
func (d *desk) expect(name string, after event.Position, gap event.GapReason, want ...event.Position) {
	if h, ok := d.t.(*testing.T); ok {
		h.Helper()
	}
	got, verdict := d.since(name, after)
	require.Equal(d.t, want, got)
	require.Equal(d.t, gap, verdict)
}
