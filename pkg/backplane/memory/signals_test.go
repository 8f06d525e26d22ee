package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane/memory"
)

// The message is the sink's to keep, and the sender's to change: they do not share it.
func TestSignalsAreCopied(t *testing.T) {
	d := newDesk(t, func(*memory.Config) {})
	var got calls
	require.NoError(t, d.Begin(&got))
	message := []byte("hello")
	nodes, err := d.Send(background, 0, message, time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, nodes)
	require.Contains(t, got, "signal hello")
	got = nil
	clear(message)
	d.End()
	require.NoError(t, d.Begin(&got))
	require.Contains(t, got, "signal hello")
}

func TestClosingForgetsSignals(t *testing.T) {
	d := newDesk(t, func(*memory.Config) {})
	_, err := d.Send(background, 0, []byte("hello"), time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, d.Kept().Signals)
	d.Close()
	require.Zero(t, d.Kept().Signals)
}
