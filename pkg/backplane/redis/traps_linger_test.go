package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// subscribed returns how many channels somebody listens to at a server; -1 where it does not say.
func subscribed(t *testing.T, s *redistest.Server) int {
	t.Helper()
	channels := -1
	for line := range strings.Lines(s.Client().Info(t.Context(), "stats").Val()) {
		if text, found := strings.CutPrefix(line, "pubsub_channels:"); found {
			channels, _ = strconv.Atoi(strings.TrimSpace(text)) // digits only
		}
	}
	return channels
}

// A reader that comes for a moment again and again keeps its own channel, and no other one. Those left before it were never
// given back: the list of what lingers waited for its first.
func TestAChannelThatIsLeftAgainHoldsUpNoOther(t *testing.T) {
	s := redistest.Start(t)
	n := newWorld(t, s.URL()).node(func(c *redis.Config) { c.Linger = 600 * time.Millisecond })
	flaps := []event.LogName{topic("flaps")}
	comeAndGo := func(logs []event.LogName) {
		_, err := n.engine.Join(t.Context(), logs)
		require.NoError(t, err)
		n.engine.Leave(logs)
	}
	comeAndGo(flaps)
	before := subscribed(t, s)
	others := make([]event.LogName, 50)
	for i := range others {
		others[i] = topic(fmt.Sprint("left-once-", i))
	}
	comeAndGo(others)
	require.Equal(t, before+len(others), subscribed(t, s), "they linger")
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	require.Eventually(t, func() bool {
		<-again.C
		comeAndGo(flaps)
		return subscribed(t, s) == before
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, before, subscribed(t, s), "its own channel is still there")
}

// Somebody who asks for other topics each time takes no more than so many channels of Redis and of the node.
func TestWhatLingersIsBounded(t *testing.T) {
	const most, streams, topics = 10_000, 150, 100
	s := redistest.Start(t)
	n := newWorld(t, s.URL()).node(func(c *redis.Config) { c.Linger = time.Hour })
	before, largest := subscribed(t, s), 0
	for stream := range streams {
		logs := make([]event.LogName, topics)
		for i := range logs {
			logs[i] = topic(fmt.Sprintf("of-stream-%d-%d", stream, i))
		}
		_, err := n.engine.Join(t.Context(), logs)
		require.NoError(t, err)
		n.engine.Leave(logs)
		largest = max(largest, subscribed(t, s))
	}
	require.Eventually(t, func() bool { return subscribed(t, s) == before+most }, 5*time.Second, 10*time.Millisecond,
		"the last ones linger, and no more")
	require.Less(t, largest, before+most+1000)
}
