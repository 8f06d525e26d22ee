package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

// model keeps everything for ever, which is how a page is judged that does not.
type model struct {
	*desk

	age     time.Duration
	events  map[string][]event.Position
	cursors []event.Position // every head there was
	latest  time.Time        // that the clock has shown
	pressed bool             // bytes may have been too many
}

// TestPageWithoutGapHidesNothing publishes to few logs under tight bounds and a clock that jumps, and reads from any
// position there ever was.
func TestPageWithoutGapHidesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{age: time.Second, events: make(map[string][]event.Position)}
		m.desk = newDesk(t, func(c *memory.Config) {
			c.RetentionAge = m.age
			c.RetentionLength = rapid.IntRange(1, 4).Draw(t, "length")
			c.RetentionBytes = rapid.SampledFrom([]int{1200, 3000, 1 << 20}).Draw(t, "bytes")
			m.pressed = c.RetentionBytes < 1<<20
		})
		m.cursors, m.latest = []event.Position{m.head()}, m.now
		require.NoError(t, m.Begin(&calls{}))
		names := []string{"a", "b", "c", "d", "e"}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				targets := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID).Draw(t, "targets")
				p := m.put(rapid.IntRange(300, 600).Draw(t, "bytes"), targets...)
				require.True(t, p.After(m.cursors[len(m.cursors)-1]), "positions increase")
				for _, name := range targets {
					m.events[name] = append(m.events[name], p)
				}
				m.cursors = append(m.cursors, p)
			},
			"wait": func(t *rapid.T) {
				ms := rapid.SampledFrom([]int{1, 10, 400, 900, 1000, 1001, 2500, -500}).Draw(t, "ms")
				m.pass(time.Duration(ms) * time.Millisecond)
				if m.now.After(m.latest) {
					m.latest = m.now
				}
			},
			"beat": func(*rapid.T) {
				m.Beat()
				m.cursors = append(m.cursors, m.head())
			},
			"read": func(t *rapid.T) {
				m.read(t, rapid.SampledFrom(names).Draw(t, "log"))
			},
		})
	})
}

func (m *model) read(t *rapid.T, name string) {
	after := rapid.SampledFrom(m.cursors).Draw(t, "after")
	q := backplane.Query{
		Log:     log(name),
		After:   after,
		Through: after.Later(rapid.SampledFrom(m.cursors).Draw(t, "through")),
		Limit:   rapid.IntRange(1, 5).Draw(t, "limit"),
		Bytes:   rapid.SampledFrom([]int{1, 500, 1 << 20}).Draw(t, "bytes"),
	}
	page := m.page(q)
	require.NotEqual(t, event.GapLost, page.Gap, "nothing is lost in one timeline")
	complete := q.Through
	if page.Full {
		complete = page.Entries[len(page.Entries)-1].Position
	}
	begin := after
	if page.Gap != event.GapNone {
		begin = complete // nothing has to be there
		if len(page.Entries) > 0 {
			begin = page.Entries[0].Prev // but what comes, comes without holes
		}
	}
	var want, got []event.Position
	for _, p := range m.events[name] {
		if p.After(begin) && !p.After(complete) {
			want = append(want, p)
		}
	}
	for _, e := range page.Entries {
		got = append(got, e.Position)
		for _, p := range m.events[name] {
			require.False(t, p.After(e.Prev) && e.Position.After(p), "%v lies between %v and its prev %v", p, e.Position, e.Prev)
		}
	}
	require.Equal(t, want, got, "gap %q", page.Gap)
	m.judge(t, name, after, page.Gap)
}

// judge holds a gap against what there is to tell: no reader within the retention is bothered for nothing.
func (m *model) judge(t *rapid.T, name string, after event.Position, gap event.GapReason) {
	missed := false
	for _, p := range m.events[name] {
		missed = missed || p.After(after)
	}
	switch gap {
	case event.GapTrimmed:
		require.True(t, missed, "trimmed, and nothing was missed")
	case event.GapExpired:
		require.NotEqual(t, m.head(), after, "expired at the head")
		require.True(t, m.pressed || after.Time().Before(m.latest.Add(-m.age)), "expired within the retention")
	case event.GapNone, event.GapLost:
	}
}
