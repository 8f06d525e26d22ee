package integration_test

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// footprint is what a node holds.
type footprint struct {
	goroutines, descriptors int
	heap, memory            int // bytes
}

// footprint reads what a node holds after a garbage collection.
func (n *node) footprint(t *testing.T) (f footprint) {
	t.Helper()
	require.NotEmpty(t, n.admin("/debug/pprof/heap?gc=1"))
	f.heap = int(n.metric("go_memstats_heap_alloc_bytes"))
	_, total, _ := strings.Cut(n.admin("/debug/pprof/goroutine?debug=1"), "total ")
	var err error
	f.goroutines, err = strconv.Atoi(strings.Fields(total)[0])
	require.NoError(t, err)
	f.descriptors, f.memory = n.descriptors(t), n.rss(t)
	return f
}

// comeAndLeave opens and ends so many streams, each of other topics, and returns when the node has noticed.
func (n *node) comeAndLeave(t *testing.T, streams, topics int) {
	t.Helper()
	const atOnce = 10
	var group sync.WaitGroup
	for worker := range atOnce {
		group.Go(func() {
			for i := worker; i < streams; i += atOnce {
				if err := n.comeAndLeaveOnce(i, topics); err != nil {
					t.Errorf("stream %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	require.Eventually(t, func() bool { return n.metric("pushstream_connections") == 0 }, patience, 10*time.Millisecond)
}

func (n *node) comeAndLeaveOnce(number, topics int) error {
	query := url.Values{"user": {strconv.Itoa(number)}}
	for i := range topics {
		query.Add("topic", fmt.Sprintf("%d-%d-%s", number, i, strings.Repeat("x", 100)))
	}
	conn, body, err := dialStream(n, query.Encode())
	if err != nil {
		return err
	}
	defer conn.Close()
	if number%2 == 0 {
		_ = conn.SetLinger(0) // by a reset, not in order
	}
	_, err = io.ReadAtLeast(body, make([]byte, 1<<10), len("retry:"))
	return err
}

// Two thousand readers who come and go leave nothing behind: no goroutine, no descriptor, none of their 100,000 topics.
func TestReadersLeaveNothingBehind(t *testing.T) {
	const streams, topics = 2000, 50
	n := startNode(t)
	n.comeAndLeave(t, streams/4, topics) // what a node makes once and keeps
	before := n.footprint(t)
	n.comeAndLeave(t, streams, topics)
	var after footprint
	require.Eventually(t, func() bool {
		after = n.footprint(t)
		return after.goroutines <= before.goroutines+5 && after.descriptors <= before.descriptors+5
	}, patience, 100*time.Millisecond, "before %+v, after %+v", before, after)
	t.Logf("before %+v, after %+v", before, after)
	require.Less(t, after.heap-before.heap, streams*topics*100/2, "less than the names of half of the topics")
	require.Less(t, after.memory-before.memory, 20<<20)
}
