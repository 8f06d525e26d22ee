package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The cards at the two ends of the cable to a host. They need not differ from host to host, as each has a cable to itself.
const (
	outsideCard = "02:00:00:00:00:01"
	hostCard    = "02:00:00:00:00:02"

	// noCard is what packets are sent to that have to be lost. A card passes over what is not for it, and tells nobody.
	noCard = "02:00:00:00:00:ff"

	// hostDevice is the name of the card in the host.
	hostDevice = "eth0"
)

// networkCure is what to do where there can be no host.
const networkCure = "a host of its own needs Linux, root (or, without it, to run all tests in `unshare -Urn`, behind `ip link set lo up`), " +
	"a /proc/sys that can be written to, and the programs ip and nsenter (scripts/setup ip)"

// Host is a machine of its own as far as the network goes: a network namespace with one address, on a cable to the outside,
// which is where the test runs. It reaches the servers of the outside where they are, on 127.0.0.1, and other hosts. It has
// no 127.0.0.1 itself: what runs there listens on Addr. Nothing else is in its reach.
type Host struct {
	// Addr is its address, without a port: one of 127.77.0.0/16, which no real network has.
	Addr string

	t         testing.TB
	namespace *os.File // ends with this file and the last program in it, and so does the cable
	device    string   // the outside end of the cable

	incoming, outgoing direction
}

// direction is one direction of a cable.
type direction struct {
	dropping bool
	before   int64 // packets that were lost before the present harm
	at       int64 // packets that had been sent when it began
}

// StartHost starts a host, which ends with the test.
func StartHost(tb testing.TB) *Host {
	tb.Helper()
	h, err := newHost()
	require.NoError(tb, err, networkCure)
	h.t = tb
	tb.Cleanup(func() { require.NoError(tb, h.close()) })
	return h
}

func newHost() (*Host, error) {
	for _, tool := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, err
		}
	}
	namespace, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	h := &Host{namespace: namespace}
	err = h.connect()
	if err == nil {
		err = h.awaitCable()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect network namespace: %w", err), h.close())
	}
	return h, nil
}

// connect lays the cable. All that it makes goes with the namespace, even if the test binary is killed.
//
// Addresses of 127.0.0.0/8 are local to every machine, unless its table of local addresses says something more exact, and do
// not pass a real card, unless route_localnet is set. Cards know each other from the start: were they asked for, harm would
// be reported as an unreachable host after three seconds.
func (h *Host) connect() error {
	if err := h.plug(); err != nil {
		return err
	}
	// forwarding is for packets to other hosts. It makes no router of the machine: it is for what this card receives.
	for _, name := range []string{"route_localnet", "forwarding"} {
		if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4/conf", h.device, name), []byte("1"), 0); err != nil {
			return err
		}
	}
	err := run(h.ip("-batch", "-"), // addrgenmode: none, so that IPv6 sends nothing that would count as lost
		"link set "+h.device+" addrgenmode none",
		"link set "+h.device+" up",
		"route add table local "+h.Addr+" dev "+h.device+" src 127.0.0.1",
		h.neighbour(h.Addr, h.device, hostCard),
	)
	if err != nil {
		return err
	}
	const inside = "echo 1 >/proc/sys/net/ipv4/conf/" + hostDevice + "/route_localnet; exec ip -batch -"
	return run(h.command("sh", "-ec", inside),
		"link set "+hostDevice+" addrgenmode none",
		"addr add "+h.Addr+"/32 dev lo",
		"link set lo up",
		"addr del 127.0.0.1/8 dev lo",
		"link set "+hostDevice+" up",
		h.neighbour("127.0.0.1", hostDevice, outsideCard),
		"route add table local 127.0.0.0/8 via 127.0.0.1 dev "+hostDevice+" onlink src "+h.Addr,
	)
}

// plug makes the cable and thereby takes an address: the name of its outside end, which no two can have, says which.
func (h *Host) plug() error {
	for range 100 {
		n := rand.IntN(1 << 16)
		addr := netip.AddrFrom4([4]byte{127, 77, byte(n >> 8), byte(n)})
		device := fmt.Sprintf("pshost%04x", n)
		err := run(h.ip(
			"link", "add", "name", device, "address", outsideCard, "type", "veth",
			"peer", "name", hostDevice, "address", hostCard, "netns", h.path(),
		))
		if err == nil {
			h.Addr, h.device = addr.String(), device
			return nil
		}
		if !strings.Contains(err.Error(), "File exists") {
			return err
		}
	}
	return errors.New("no address of 127.77.0.0/16 is free")
}

// awaitCable waits until packets pass both ways. A card that has got its cable is put to use a moment later only; what is sent
// before is lost, and TCP would repeat it after a second.
func (h *Host) awaitCable() error {
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	dialer := net.Dialer{Timeout: 20 * time.Millisecond}
	for ; ; <-ticker.C {
		conn, err := dialer.DialContext(context.Background(), "tcp", net.JoinHostPort(h.Addr, "1"))
		switch {
		case err == nil:
			return errors.Join(errors.New("somebody listens on port 1 of "+h.Addr), conn.Close())
		case errors.Is(err, syscall.ECONNREFUSED): // it says so itself
			return nil
		case time.Now().After(deadline):
			return err
		}
	}
}

// path is where other processes find the namespace.
func (h *Host) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.namespace.Fd()) }

// neighbour is the line for ip that says which card has an address.
func (h *Host) neighbour(addr, device, card string) string {
	return fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", addr, card, device)
}

// ip returns a command on the outside.
func (*Host) ip(args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), "ip", args...)
}

// run runs a command that reads lines.
func run(cmd *exec.Cmd, lines ...string) error {
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(strings.Join(lines, "\n")), &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Command returns a command that runs a program in the host. Its process is that of the program itself. Who starts it ends
// it; at the latest it ends with the test binary.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	h.t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(h.t, err)
	return h.command(path, args...)
}

func (h *Host) command(path string, args ...string) *exec.Cmd {
	args = append([]string{"--net=" + h.path(), path}, args...)
	cmd := exec.CommandContext(context.Background(), "nsenter", args...)
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// Cut pulls the cable somewhere between its ends: nothing passes any more, and neither end is told. Connections stay, and new
// ones are never answered.
func (h *Host) Cut() {
	h.t.Helper()
	h.DropOutgoing()
	h.DropIncoming()
}

// DropIncoming loses all packets to the host. What it sends arrives, but it never learns that.
func (h *Host) DropIncoming() {
	h.t.Helper()
	if !h.incoming.dropping {
		h.reachHost(noCard)
		h.incoming.begin(h.sent().incoming)
	}
}

// DropOutgoing loses all packets from the host. What is sent to it arrives, but the sender never learns that.
func (h *Host) DropOutgoing() {
	h.t.Helper()
	if !h.outgoing.dropping {
		h.reachOutside(noCard)
		h.outgoing.begin(h.sent().outgoing)
	}
}

// Mend ends all harm. TCP repeats what was lost when it tries the next time: the longer the harm, the later.
func (h *Host) Mend() {
	h.t.Helper()
	sent := h.sent()
	if h.incoming.dropping {
		h.incoming.end(sent.incoming)
		h.reachHost(hostCard)
	}
	if h.outgoing.dropping {
		h.outgoing.end(sent.outgoing)
		h.reachOutside(outsideCard)
	}
}

// Lost returns how many packets to and from the host have been lost since its start. The few that are lost in the moment in
// which harm begins or ends may be missing.
func (h *Host) Lost() (incoming, outgoing int64) {
	h.t.Helper()
	sent := h.sent()
	return h.incoming.lost(sent.incoming), h.outgoing.lost(sent.outgoing)
}

func (d *direction) begin(sent int64) { d.dropping, d.at = true, sent }

func (d *direction) end(sent int64) { d.before, d.dropping = d.lost(sent), false }

func (d *direction) lost(sent int64) int64 {
	if !d.dropping {
		return d.before
	}
	return d.before + sent - d.at
}

func (h *Host) reachHost(card string) {
	h.t.Helper()
	require.NoError(h.t, run(h.ip("-batch", "-"), h.neighbour(h.Addr, h.device, card)))
}

func (h *Host) reachOutside(card string) {
	h.t.Helper()
	require.NoError(h.t, run(h.command("ip", "-batch", "-"), h.neighbour("127.0.0.1", hostDevice, card)))
}

// packets counts what has been put on the cable.
type packets struct{ incoming, outgoing int64 }

// sent reads what the outside end of the cable has counted. It takes in what it passes over, as it is on the cable.
func (h *Host) sent() (p packets) {
	h.t.Helper()
	devices, err := os.ReadFile("/proc/net/dev")
	require.NoError(h.t, err)
	for line := range strings.Lines(string(devices)) {
		counted, ok := strings.CutPrefix(strings.TrimSpace(line), h.device+":")
		if !ok {
			continue
		}
		fields := strings.Fields(counted) // eight for what it has received, bytes and packets first; then for what it has sent
		require.GreaterOrEqual(h.t, len(fields), 10, line)
		p.outgoing, err = strconv.ParseInt(fields[1], 10, 64)
		require.NoError(h.t, err, line)
		p.incoming, err = strconv.ParseInt(fields[9], 10, 64)
		require.NoError(h.t, err, line)
		return p
	}
	require.FailNow(h.t, "the host "+h.Addr+" has ended")
	return p
}

// close takes the cable away, as the namespace would, only sooner: there may be none yet.
func (h *Host) close() (err error) {
	if h.device != "" {
		err = run(h.ip("link", "delete", h.device))
	}
	return errors.Join(err, h.namespace.Close())
}
