package app

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// memoryInterval is how often the number of streams is looked at.
	memoryInterval = 5 * time.Second
	// memoryChange is how many streams have to have come or gone for their garbage to be worth a collection.
	memoryChange = 1000
)

// surge notices that many streams have come or gone, and that the node is calm again.
type surge struct {
	trimmed int // streams when memory was last returned
	last    int // streams at the last look
}

// over reports whether a surge has passed since it was last asked.
func (s *surge) over(streams int) bool {
	calm := distance(streams, s.last) <= memoryChange/10
	s.last = streams
	if !calm || distance(streams, s.trimmed) < memoryChange {
		return false
	}
	s.trimmed = streams
	return true
}

func distance(a, b int) int { return max(a-b, b-a) }

// returnMemory gives the memory back to the system that opening and closing many streams took. The runtime would collect it
// late: a node at rest allocates almost nothing.
func returnMemory(ctx context.Context, streams func() int) {
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	var s surge
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if s.over(streams()) {
				debug.FreeOSMemory()
			}
		}
	}
}
