package httpapi_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// full checks how a reader is answered that there is no room for.
func (n *node) full(t *testing.T, code string, header ...string) {
	t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := n.do(t, call{method: method, path: "/events?user=alice", header: append(header, "Accept: */*")})
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "5", a.header.Get("Retry-After"))
		if method == http.MethodGet {
			a.refused(t, http.StatusServiceUnavailable, code)
		}
	}
	a := n.do(t, call{method: http.MethodHead, path: "/events?user=alice", header: append(header, wantStream)})
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "text/event-stream", a.header.Get("Content-Type"))
	r := n.open(t, "user=alice", header...)
	r.farewell(t, "overloaded")
	r.close()
	require.InDelta(t, 4, n.count(t, "pushstream_streams_refused_total", code), 0)
}

func TestConnectionCap(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.Connections = 2 })
	first, _ := n.live(t, "user=alice")
	second, _ := n.live(t, "user=alice")
	n.full(t, "too_many_connections")
	ready := call{method: http.MethodGet, path: "/readyz"}
	n.do(t, ready).refused(t, http.StatusServiceUnavailable, "too_many_connections")
	id := n.published(t, goodEvent)
	require.Equal(t, id, second.next(t).ID)
	first.close()
	require.Eventually(t, func() bool { return n.broker.Connections() == 1 }, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		return n.do(t, call{method: http.MethodHead, path: "/events"}).status == http.StatusOK
	}, patience, time.Millisecond)
	n.live(t, "user=alice")
	second.close()
	require.Eventually(t, func() bool { return n.do(t, ready).status == http.StatusOK }, patience, time.Millisecond)
}

// A stream that was refused by anything behind the caps gives its place back.
func TestRefusedStreamsUseNothingUp(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.Connections = 1 })
	for range 3 {
		n.do(t, call{method: http.MethodGet, path: "/events?topic=*"}).refused(t, 422, "invalid")
		require.Equal(t, http.StatusOK, n.do(t, call{method: http.MethodHead, path: "/events"}).status)
	}
	n.live(t, "user=alice")
	n.full(t, "too_many_connections")
}

func TestCapOfAnAddress(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.ConnectionsPerAddress = 1 })
	n.live(t, "user=alice")
	n.full(t, "too_many_connections_per_address")
}

// behindProxy is a node that believes X-Forwarded-For of this machine and of one more network.
func behindProxy(s *settings) {
	s.insecure = true
	s.api.ConnectionsPerAddress = 1
	s.api.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
}

func TestAddressesBehindTrustedProxies(t *testing.T) {
	for name, c := range map[string]struct {
		first, second []string
		same          bool
	}{
		"one client":               {[]string{"192.0.2.1"}, []string{"192.0.2.1"}, true},
		"two clients":              {[]string{"192.0.2.1"}, []string{"192.0.2.2"}, false},
		"spoofed left":             {[]string{"198.51.100.1, 192.0.2.1"}, []string{"198.51.100.2, 192.0.2.1"}, true},
		"spoofed as trusted":       {[]string{"127.0.0.1, 192.0.2.1"}, []string{"127.0.0.2, 192.0.2.1"}, true},
		"spoofed in another line":  {[]string{"198.51.100.1", "192.0.2.1"}, []string{"198.51.100.2", "192.0.2.1"}, true},
		"two proxies":              {[]string{"192.0.2.1, 2001:db8:ffff::1"}, []string{"192.0.2.2, 2001:db8:ffff::1"}, false},
		"untrusted proxy":          {[]string{"192.0.2.1, 203.0.113.9"}, []string{"192.0.2.2, 203.0.113.9"}, true},
		"no address":               {[]string{"x, y"}, []string{"z"}, true},
		"one /64":                  {[]string{"2001:db8:1:2:3::1"}, []string{"2001:db8:1:2:4::1"}, true},
		"two /64":                  {[]string{"2001:db8:1:2::1"}, []string{"2001:db8:1:3::1"}, false},
		"IPv4 written as IPv6":     {[]string{"::ffff:192.0.2.1"}, []string{"192.0.2.1"}, true},
		"two IPv4 written as IPv6": {[]string{"::ffff:192.0.2.1"}, []string{"::ffff:192.0.2.2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, behindProxy)
			forwarded := func(values []string) []string {
				var header []string
				for _, v := range values {
					header = append(header, "X-Forwarded-For: "+v)
				}
				return header
			}
			n.live(t, "user=alice", forwarded(c.first)...)
			if c.same {
				n.full(t, "too_many_connections_per_address", forwarded(c.second)...)
			} else {
				n.live(t, "user=alice", forwarded(c.second)...)
			}
		})
	}
}

func TestForwardedAddressOfStrangersIsNotBelieved(t *testing.T) {
	for name, trusted := range map[string][]netip.Prefix{
		"none":          nil,
		"somebody else": {netip.MustParsePrefix("203.0.113.0/24")}, // this machine is not trusted by itself
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, behindProxy, func(s *settings) { s.api.TrustedProxies = trusted })
			n.live(t, "user=alice", "X-Forwarded-For: 192.0.2.1")
			n.full(t, "too_many_connections_per_address", "X-Forwarded-For: 192.0.2.2")
		})
	}
}

func TestNoCapOfAnAddressByDefault(t *testing.T) {
	n := newNode(t)
	for range 3 {
		n.live(t, "user=alice")
	}
	require.Equal(t, 3, n.broker.Connections())
}

// TestHeldStreamsHaveACapToo checks that refused streams, held open, cannot take up what the others need.
func TestHeldStreamsHaveACapToo(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.Connections = 1 })
	n.live(t, "user=alice")
	held := n.open(t, "user=alice")
	held.farewell(t, "overloaded")
	over := make(chan struct{})
	go func() { // joined below
		defer close(over)
		_, _ = held.messages.Next()
	}()
	atOnce := n.open(t, "user=alice")
	atOnce.farewell(t, "overloaded")
	atOnce.ended(t)
	select {
	case <-over:
		require.Fail(t, "the first one was not held")
	default:
	}
	held.close()
	<-over
}
