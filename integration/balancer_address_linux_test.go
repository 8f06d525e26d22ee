package integration_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With trusted_proxies a node knows who its readers are, and they cannot say that they are somebody else. (Only on Linux is
// all of 127.0.0.0/8 this machine.)
func TestBalancerTellsWhoTheReaderIs(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--insecure-dev", "--trusted-proxies", "127.0.0.1", "--log-level", "debug")
			front := b.start(t, b.read(t), []*node{n})
			dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			v := newVisitor(t, front.URL)
			v.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			}}
			v.opens("user=alice", "X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Real-Ip: 203.0.113.7")
			opened := func() bool { return strings.Contains(n.stderr.String(), `"message":"stream opened"`) }
			require.Eventually(t, opened, patience, time.Millisecond)
			require.Contains(t, n.stderr.String(), `"address":"127.0.0.2"`)
		})
	}
}
