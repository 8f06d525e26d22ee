package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

// calls is a sink without a lock: the engine calls it one at a time.
type calls []string

func (c *calls) Relay(e backplane.Entry) { *c = append(*c, "relay "+e.Position.String()) }

func (c *calls) Doubt(_ backplane.Partition, cause string) { *c = append(*c, "doubt "+cause) }

func (c *calls) Vouched(_ backplane.Partition, head event.Position) {
	*c = append(*c, "vouched "+head.String())
}

func (c *calls) Signal(_ backplane.Partition, message []byte) {
	*c = append(*c, "signal "+string(message))
}

func (c *calls) Progress(_ backplane.Partition, at event.Position) {
	*c = append(*c, "progress "+at.String())
}

// What a Publish has to pass on is passed on when it returns: nothing waits anywhere.
func TestRelayIsPartOfPublish(t *testing.T) {
	d := newDesk(t, func(*memory.Config) {})
	_, err := d.Join(background, []event.LogName{log("a")})
	require.NoError(t, err)
	var got calls
	start := d.head()
	require.NoError(t, d.Begin(&got))
	require.Equal(t, calls{"vouched " + start.String()}, got)

	first := d.put(300, "b", "a")
	second := d.put(300, "a")
	d.Leave([]event.LogName{log("a")})
	d.put(300, "a")
	require.Equal(t, calls{"relay " + first.String(), "relay " + second.String()}, got[1:])
	d.End()
	require.Equal(t, calls{"doubt stopped"}, got[3:])
}

// In silence the head moves with the clock, so that a reader who has seen everything never has an old cursor.
func TestBeatMovesTheHead(t *testing.T) {
	d := newDesk(t, func(c *memory.Config) { c.RetentionAge = time.Minute })
	var got calls
	require.NoError(t, d.Begin(&got))
	p := d.put(300, "a")
	d.Beat() // in the millisecond of the event
	require.Equal(t, p, d.head())
	d.pass(time.Hour)
	d.Beat()
	moved := d.head()
	require.Equal(t, p.Time().Add(time.Hour), moved.Time())
	require.Equal(t, calls{"progress " + p.String(), "progress " + moved.String()}, got[1:])
	d.expect("a", moved, event.GapNone)
	d.pass(-time.Hour)
	d.Beat()
	require.Equal(t, moved, d.head())
}

func TestCloseDoubtsBeforeItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, err := memory.New(memory.DefaultConfig())
		require.NoError(t, err)
		var got calls
		ended := make(chan error, 1)
		// Owned by the test, joined by the receive from ended.
		go func() { ended <- engine.Run(background, &got) }()
		synctest.Wait()
		engine.Close()
		require.Len(t, got, 2)
		require.Equal(t, "doubt closed", got[1])
		engine.Beat() // one that was on its way
		require.ErrorIs(t, <-ended, backplane.ErrClosed)
		require.Len(t, got, 2)
	})
}
