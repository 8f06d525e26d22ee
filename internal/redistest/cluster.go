package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	masters = 3
	slots   = 16384
)

// Cluster is a Redis Cluster of three masters with a replica each.
type Cluster struct {
	// Addrs are the addresses of all servers.
	Addrs []string

	// Servers are the three that began as masters, then their replicas in the same order.
	Servers []*Server

	t   testing.TB
	ids []string // by which the servers know each other, in the order of Servers
}

// StartCluster starts a cluster and waits until all servers serve and the replicas are in sync. A server is taken for dead
// after one and a half seconds. settings are for all servers.
func StartCluster(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	c := &Cluster{t: tb}
	buses := make([]int, 2*masters)
	for i := range buses {
		bus, err := freePort()
		require.NoError(tb, err)
		tb.Cleanup(func() { releasePort(bus) })
		buses[i] = bus
		server := prepare(tb, nil, append([]string{
			"cluster-enabled yes",
			"cluster-config-file nodes.conf",
			"cluster-node-timeout 1500",
			fmt.Sprintf("cluster-port %d", bus),
		}, replicated(settings)...))
		c.Servers = append(c.Servers, server)
		c.Addrs = append(c.Addrs, server.Addr)
		c.ids = append(c.ids, newID())
	}
	for i, server := range c.Servers {
		require.NoError(tb, server.local.write("nodes.conf", c.nodes(i, buses)))
		server.Restart()
	}
	for i, server := range c.Servers {
		await(tb, "cluster that serves", server.serves)
		if i >= masters {
			await(tb, "replica in sync", func() error { return inSync(server, c.Servers) })
		}
	}
	return c
}

// newID returns an id as servers make them for themselves.
func newID() string {
	return fmt.Sprintf("%016x%016x%08x", rand.Uint64(), rand.Uint64(), rand.Uint32())
}

// nodes returns what the server of an index would have written down when the cluster had been made.
func (c *Cluster) nodes(self int, buses []int) []string {
	lines := make([]string, 0, len(c.Servers)+1)
	for i, server := range c.Servers {
		flags, of := "master", "-"
		if i >= masters {
			flags, of = "slave", c.ids[i-masters]
		}
		if i == self {
			flags = "myself," + flags
		}
		line := fmt.Sprintf("%s %s@%d %s %s 0 0 %d connected", c.ids[i], server.Addr, buses[i], flags, of, i%masters+1)
		if i < masters {
			line += fmt.Sprintf(" %d-%d", i*slots/masters, (i+1)*slots/masters-1)
		}
		lines = append(lines, line)
	}
	return append(lines, fmt.Sprintf("vars currentEpoch %d lastVoteEpoch 0", masters))
}

// serves returns an error unless the server takes the cluster for complete.
func (s *Server) serves() error {
	answer, err := s.try("CLUSTER", "INFO")
	if err == nil && !strings.Contains(fmt.Sprint(answer), "cluster_state:ok") {
		err = fmt.Errorf("%s says:\n%v", s.Addr, answer)
	}
	return err
}

// Slot returns the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.t.Helper()
	for _, server := range c.Servers {
		if server.up() {
			slot, ok := server.Do("CLUSTER", "KEYSLOT", key).(int64)
			require.True(c.t, ok)
			return int(slot)
		}
	}
	require.FailNow(c.t, "no server of the cluster is up")
	return 0
}

// Masters returns the servers that are up and say that they are masters.
func (c *Cluster) Masters() (found []*Server) {
	c.t.Helper()
	for _, server := range c.Servers {
		if server.up() {
			self, err := server.self()
			require.NoError(c.t, err)
			if self.master {
				found = append(found, server)
			}
		}
	}
	return found
}

// Master returns the server that is up and holds the slot of a key. It waits for a failover that is under way.
func (c *Cluster) Master(key string) (master *Server) {
	c.t.Helper()
	slot := c.Slot(key)
	await(c.t, "master of slot "+strconv.Itoa(slot), func() (err error) {
		master, err = c.holder(slot)
		return err
	})
	return master
}

// holder returns the server that says, with the highest epoch, that it holds a slot: one that has just come back may not
// know yet that it has been replaced.
func (c *Cluster) holder(slot int) (holder *Server, err error) {
	epoch := -1
	for _, server := range c.Servers {
		if !server.up() {
			continue
		}
		self, err := server.self()
		if err != nil {
			return nil, err
		}
		if self.master && self.epoch > epoch && self.holds(slot) {
			holder, epoch = server, self.epoch
		}
	}
	if holder == nil {
		return nil, fmt.Errorf("no server that is up holds slot %d", slot)
	}
	return holder, nil
}

// ReplicaOf returns a replica of a server that is up and in sync. It waits until there is one.
func (c *Cluster) ReplicaOf(master *Server) (replica *Server) {
	c.t.Helper()
	await(c.t, "replica of "+master.Addr, func() error {
		errs := []error{errors.New("no server that is up says so")}
		for _, server := range c.Servers {
			if !server.up() {
				continue
			}
			self, err := server.self()
			if err != nil {
				return err
			}
			if self.master || self.of != c.id(master) {
				continue
			}
			if err = inSync(server, c.Servers); err == nil {
				replica = server
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	return replica
}

// id returns the id of one of the servers.
func (c *Cluster) id(of *Server) string {
	c.t.Helper()
	for i, server := range c.Servers {
		if server == of {
			return c.ids[i]
		}
	}
	require.FailNow(c.t, of.Addr+" is not of this cluster")
	return ""
}

// Failover makes a replica take over from the master of a key, in agreement with it, so that nothing is lost, and waits
// until all servers that are up know. It returns the new master.
func (c *Cluster) Failover(key string) *Server {
	c.t.Helper()
	slot, replica := c.Slot(key), c.ReplicaOf(c.Master(key))
	replica.Do("CLUSTER", "FAILOVER")
	c.awaitHolder(slot, replica)
	return replica
}

// awaitHolder waits until all servers that are up know who holds a slot.
func (c *Cluster) awaitHolder(slot int, holder *Server) {
	c.t.Helper()
	for _, server := range c.Servers {
		if !server.up() {
			continue
		}
		await(c.t, fmt.Sprintf("word of slot %d on %s", slot, server.Addr), func() error {
			nodes, err := server.nodes()
			if err != nil {
				return err
			}
			for _, n := range nodes {
				if n.id == c.id(holder) && n.holds(slot) {
					return nil
				}
			}
			return fmt.Errorf("%s does not know that %s holds it", server.Addr, holder.Addr)
		})
	}
}
