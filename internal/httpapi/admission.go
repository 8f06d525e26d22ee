package httpapi

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/labstack/echo/v4"
)

// admission counts streams against their limits. It is safe for concurrent use.
type admission struct {
	most, mostPerAddress int
	left                 chan struct{} // wakes wait when a stream has left

	mu     sync.Mutex
	open   int
	held   int
	places map[netip.Prefix]int
}

func newAdmission(most, mostPerAddress int) *admission {
	return &admission{most: most, mostPerAddress: mostPerAddress, left: make(chan struct{}, 1), places: make(map[netip.Prefix]int)}
}

// check returns why a stream from an address would not be admitted now; nil if it would.
func (a *admission) check(address netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full(address)
}

// enter admits a stream, or returns why not. An admitted one has to leave.
func (a *admission) enter(address netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.full(address); err != nil {
		return err
	}
	a.open++
	a.places[placeOf(address)]++
	return nil
}

func (a *admission) leave(address netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	place := placeOf(address)
	if a.places[place]--; a.places[place] == 0 {
		delete(a.places, place)
	}
	select {
	case a.left <- struct{}{}:
	default:
	}
}

// hold admits a stream that was refused, to be held open until release: one for ten that are served, so that they do not
// take up the files that the node may open.
func (a *admission) hold() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held >= max(1, a.most/10) {
		return false
	}
	a.held++
	return true
}

func (a *admission) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held--
}

// wait returns when no stream is left, or with its error when ctx ends first. One caller at a time.
func (a *admission) wait(ctx context.Context) error {
	for a.count() > 0 {
		select {
		case <-a.left:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d streams: %w", a.count(), ctx.Err())
		}
	}
	return nil
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

// room returns why no stream at all would be admitted now; nil if one would.
func (a *admission) room() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fullNode()
}

func (a *admission) full(address netip.Addr) error {
	if a.mostPerAddress > 0 && a.places[placeOf(address)] >= a.mostPerAddress {
		return overloaded("too_many_connections_per_address", "your address has as many streams as it may have (limits.connections_per_address); close one first")
	}
	return a.fullNode()
}

func (a *admission) fullNode() error {
	if a.open >= a.most {
		return overloaded("too_many_connections", "this node has as many streams as it may have (limits.connections); try again later")
	}
	return nil
}

// clientAddress finds out where a request comes from: what trusted proxies say, and what the socket says otherwise.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// addressOf returns where a request comes from; zero where that is not known.
func addressOf(c echo.Context) netip.Addr {
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// placeOf returns what the limit for an address counts: the address, or the /64 of an IPv6 one, which a single subscriber
// usually has in whole (RFC 6177).
func placeOf(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	place, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return place
}
