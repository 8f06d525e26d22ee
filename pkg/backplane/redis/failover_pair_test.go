package redis_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

// pair is a primary and its replica. People fail over from one to the other by hand, and have one name lead to the other:
// connections that there are stay where they are.
type pair struct {
	a, b         *redistest.Server
	linkA, linkB *redistest.Link
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{a: redistest.Start(t, "repl-diskless-sync-delay 0"), b: redistest.Start(t, "repl-diskless-sync-delay 0")}
	p.linkA, p.linkB = redistest.StartLink(t, p.a.Addr), redistest.StartLink(t, p.b.Addr)
	follow(t, p.b, p.a)
	return p
}

// follow makes a server the replica of another one, and waits until it has everything.
func follow(t *testing.T, replica, primary *redistest.Server) {
	t.Helper()
	host, port, found := strings.Cut(primary.Addr, ":")
	require.True(t, found)
	replica.Do("REPLICAOF", host, port)
	require.Eventually(t, func() bool {
		return strings.Contains(fmt.Sprint(replica.Do("INFO", "replication")), "master_link_status:up")
	}, 10*time.Second, 10*time.Millisecond)
	awaitReplicas(t, primary, 1)
}

// awaitReplicas waits until replicas have all that was written until now. A replica that has just been synchronised gets
// nothing before it has said so, up to a second later.
func awaitReplicas(t *testing.T, primary *redistest.Server, replicas int) {
	t.Helper()
	client := primary.Client()
	require.Eventually(t, func() bool {
		pipe := client.Pipeline()
		pipe.Publish(t.Context(), "nothing", "") // something to wait for, on this connection
		n := pipe.Do(t.Context(), "wait", replicas, 100)
		_, err := pipe.Exec(t.Context())
		require.NoError(t, err)
		return n.Val() == int64(replicas)
	}, 10*time.Second, 10*time.Millisecond)
}

// name is what clients connect to.
type name struct {
	to atomic.Pointer[redistest.Link]
}

func leadsTo(l *redistest.Link) *name {
	n := new(name)
	n.to.Store(l)
	return n
}

func (n *name) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, n.to.Load().Addr)
}

// move makes the name lead elsewhere, and breaks the connections that it led to.
func (n *name) move(to *redistest.Link) { n.to.Swap(to).Cut() }

// world returns a world that connects to a name.
func (p *pair) world(t *testing.T, n *name) *world {
	t.Helper()
	w := newWorld(t, p.a.URL())
	w.config.Dial = n.dial
	return w
}

// at has an engine connect to a server itself.
func at(s *redistest.Server) func(*redis.Config) {
	return func(c *redis.Config) { c.URL, c.Dial = s.URL(), nil }
}
