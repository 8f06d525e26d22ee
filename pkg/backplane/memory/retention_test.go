package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

var background = context.Background()

func TestLogExpiresOneMillisecondAfterItsAge(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionAge = time.Minute })
	start := d.head()
	first := d.put(300, "a")
	d.pass(time.Minute)
	d.put(300, "b")
	d.expect("a", start, event.GapNone, first)
	second := d.put(300, "a")
	d.expect("a", start, event.GapNone, first, second)

	d.pass(time.Minute + time.Millisecond)
	d.put(300, "b")
	d.expect("a", start, event.GapExpired)
	// One that has read up to the millisecond at which the log went can have missed the event of that millisecond.
	d.expect("a", first, event.GapExpired)
}

// A clock that steps back must not bring back what has expired, nor hide that it has.
func TestClockThatStepsBack(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionAge = time.Minute })
	start := d.head()
	first := d.put(300, "a")
	d.pass(2 * time.Minute)
	d.expect("a", start, event.GapExpired)
	d.pass(-2 * time.Minute)
	second := d.put(300, "a")
	d.expect("a", start, event.GapExpired, second)
	require.True(t, second.After(first))
	require.Equal(t, first.Millis()+120_000, second.Millis())
	third := d.put(300, "a")
	require.Equal(t, second.Millis(), third.Millis())
	require.Equal(t, second.Seq()+1, third.Seq())
	d.expect("a", second, event.GapNone, third)
}

func TestOldestEntriesGoWhenThereAreTooManyBytes(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionBytes = 2000 })
	start := d.head()
	var p []event.Position
	for _, name := range []string{"a", "b", "a", "c", "a"} {
		p = append(p, d.put(500, name))
	}
	require.Equal(t, memory.Kept{Logs: 3, Entries: 4, Bytes: 2000}, d.Kept())
	d.expect("a", start, event.GapTrimmed, p[2], p[4])
	d.expect("a", p[0], event.GapNone, p[2], p[4])
	d.expect("b", start, event.GapNone, p[1])
	d.expect("c", start, event.GapNone, p[3])
	d.expect("never", start, event.GapNone)

	p = append(p, d.put(500, "a"))
	require.Equal(t, memory.Kept{Logs: 2, Entries: 4, Bytes: 2000}, d.Kept())
	// The log went as a whole: who was away since before its last event is told, also once there is a new one.
	d.expect("b", p[0], event.GapExpired)
	d.expect("b", p[1], event.GapNone)
	d.expect("never", p[0], event.GapExpired) // it is not known that it never was
	d.expect("never", p[1], event.GapNone)
	p = append(p, d.put(500, "b"))
	d.expect("b", p[0], event.GapExpired, p[6])
	d.expect("b", p[1], event.GapNone, p[6])
	d.expect("a", p[1], event.GapTrimmed, p[4], p[5])
}

func TestNewestEventStaysWhateverItsSize(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionBytes = 1000 })
	d.put(300, "c")
	start := d.head()
	big := d.put(5000, "a", "b")
	d.expect("a", start, event.GapNone, big)
	d.expect("b", start, event.GapNone, big)
	require.Equal(t, memory.Kept{Logs: 2, Entries: 2, Bytes: 10_000}, d.Kept())
	next := d.put(300, "a")
	d.expect("a", start, event.GapTrimmed, next)
	d.expect("b", start, event.GapExpired)
	require.Equal(t, memory.Kept{Logs: 1, Entries: 1, Bytes: 300}, d.Kept())
}

func TestLengthIsPerLog(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionLength = 2 })
	start := d.head()
	quiet := d.put(300, "b")
	var p []event.Position
	for range 1000 {
		p = append(p, d.put(300, "a"))
	}
	d.expect("a", start, event.GapTrimmed, p[998:]...)
	d.expect("b", start, event.GapNone, quiet)
	require.Equal(t, memory.Kept{Logs: 2, Entries: 3, Bytes: 900}, d.Kept())
}

// Without a Run nothing looks after what has expired but the calls themselves.
func TestNothingGrowsWithTheNumberOfTargets(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) {
		c.RetentionAge = time.Minute
		c.KeyAge = time.Minute
	})
	for i := range 3000 {
		d.publish(backplane.Publication{Event: sized(300), Key: "k"}, fmt.Sprint("topic-", i))
		require.NoError(t, d.Put(background, fmt.Sprint("ticket-", i), nil, time.Minute))
		d.pass(time.Second)
	}
	kept := d.Kept()
	require.LessOrEqual(t, kept.Logs, 62)
	require.LessOrEqual(t, kept.Entries, 62)
	require.LessOrEqual(t, kept.Bytes, 62*300)
	require.LessOrEqual(t, kept.Keys, 121)
	require.LessOrEqual(t, kept.Tickets, 62)
}

func TestBeatSweepsInSilence(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) {
		c.RetentionAge = time.Minute
		c.KeyAge = time.Minute
	})
	require.NoError(t, d.Begin(&calls{}))
	const logs = 15_000
	for i := range logs {
		d.publish(backplane.Publication{Event: sized(300), Key: "k"}, fmt.Sprint("topic-", i))
	}
	require.NoError(t, d.Put(background, "ticket", nil, time.Minute))
	d.pass(time.Minute)
	d.Beat()
	require.Equal(t, memory.Kept{Logs: logs, Entries: logs, Bytes: logs * 300, Keys: logs}, d.Kept())
	d.pass(time.Millisecond)
	d.Beat() // holds the mutex for so many entries and no more
	require.Equal(t, memory.Kept{Logs: 5000, Entries: 5000, Bytes: 5000 * 300, Keys: logs}, d.Kept())
	d.Beat()
	require.Equal(t, memory.Kept{Keys: logs}, d.Kept())
	d.pass(time.Minute)
	d.Beat()
	require.Equal(t, memory.Kept{}, d.Kept())
}

func TestBusyLogDoesNotKeepIdleOnes(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionAge = time.Minute })
	require.NoError(t, d.Begin(&calls{}))
	for _, name := range []string{"a", "b", "c", "b", "a"} {
		d.put(300, name)
		d.pass(20 * time.Second)
	}
	d.Beat() // 20 s after a's last, 40 s after b's, 60 s after c's
	require.Equal(t, 3, d.Kept().Logs)
	for _, left := range []int{2, 1, 0} {
		d.pass(time.Millisecond)
		d.Beat()
		require.Equal(t, left, d.Kept().Logs)
		d.pass(20*time.Second - time.Millisecond)
	}
}

func TestKeysAreForgottenAfterTwiceTheirAge(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.KeyAge = time.Minute })
	put := func() event.Position {
		return d.publish(backplane.Publication{Event: sized(300), Key: "k"}, "a")
	}
	d.pass(59 * time.Second)
	first := put()
	d.pass(30 * time.Second)
	require.Equal(t, first, put()) // in the older generation by now
	d.pass(30 * time.Second)
	require.Equal(t, first, put())
	d.pass(time.Minute)
	second := put()
	require.NotEqual(t, first, second)
	d.pass(2 * time.Minute)
	require.NotEqual(t, second, put())
}

func TestCloseLetsGo(t *testing.T) {
	d := newDesk(t, func(*memory.Config) {})
	d.publish(backplane.Publication{Event: sized(300), Key: "k"}, "a")
	require.NoError(t, d.Put(background, "ticket", nil, time.Minute))
	require.Equal(t, memory.Kept{Logs: 1, Entries: 1, Bytes: 300, Keys: 1, Tickets: 1}, d.Kept())
	d.Close()
	require.Equal(t, memory.Kept{}, d.Kept())
	require.ErrorIs(t, d.Put(background, "ticket", nil, time.Minute), backplane.ErrClosed)
	_, err := d.Peek(background, "ticket")
	require.ErrorIs(t, err, backplane.ErrClosed)
	_, err = d.Take(background, "ticket")
	require.ErrorIs(t, err, backplane.ErrClosed)
}
