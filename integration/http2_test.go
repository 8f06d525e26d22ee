package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proxy that speaks HTTP/2 without TLS to the node, as one does that knows it can, passes on the same stream.
func TestHTTP2ReaderGetsTheSame(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	const query = "/events?user=alice&topic=news"
	http2 := func() *http.Transport {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		return transport
	}
	plain, proto := httpFollow(t, &http.Transport{}, n.URL+query, "")
	require.Equal(t, "HTTP/1.1", proto)
	multiplexed, proto := httpFollow(t, http2(), n.URL+query, "")
	require.Equal(t, "HTTP/2.0", proto)
	cursor := plain.await(2)[1].ID
	multiplexed.await(2)

	const events = 100
	var want []message
	for i := range events {
		data := fmt.Sprintf(`[%d,%q]`, i, strings.Repeat("x", i*500)) // up to 50 KB, more than a frame of HTTP/2
		target := []string{"user:alice", "topic:news", "all"}[i%3]
		id := n.publish(fmt.Sprintf(`{"target": %q, "type": "order.created", "data": %s}`, target, data)).ID
		want = append(want, message{ID: id, Type: "order.created", Data: data})
	}
	require.Equal(t, want, plain.await(2 + events)[2:])
	require.Equal(t, want, multiplexed.await(2 + events)[2:])
	late, _ := httpFollow(t, http2(), n.URL+query, cursor)
	require.Equal(t, want, late.awaitLive()[1:1+events], "from the logs")
	for _, f := range []*follower{plain, multiplexed, late} {
		f.stop()
	}
	require.Eventually(t, func() bool { return n.metric("pushstream_connections") == 0 }, patience, 10*time.Millisecond)
}
