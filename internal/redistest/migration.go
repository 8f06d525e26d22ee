package redistest

import (
	"slices"

	"github.com/stretchr/testify/require"
)

// Migration is a slot on its way from one master to another. For as long as it lasts, the old one sends clients that ask
// for a key that has moved, or that does not exist, to the new one with ASK.
type Migration struct {
	// From and To are the two masters.
	From, To *Server

	cluster *Cluster
	slot    int
}

// BeginMigration begins to move the slot of a key to another master. No key has moved yet.
func (c *Cluster) BeginMigration(key string, to *Server) *Migration {
	c.t.Helper()
	m := &Migration{From: c.Master(key), To: to, cluster: c, slot: c.Slot(key)}
	require.NotEqual(c.t, m.From.Addr, to.Addr, "the slot of %q is there already", key)
	to.Do("CLUSTER", "SETSLOT", m.slot, "IMPORTING", c.id(m.From))
	m.From.Do("CLUSTER", "SETSLOT", m.slot, "MIGRATING", c.id(to))
	return m
}

// MoveKeys moves keys of the slot; all that are there if none is named. The slot stays where it is.
func (m *Migration) MoveKeys(keys ...string) {
	m.cluster.t.Helper()
	if len(keys) > 0 {
		m.move(keys)
		return
	}
	for {
		found, ok := m.From.Do("CLUSTER", "GETKEYSINSLOT", m.slot, 1000).([]any)
		require.True(m.cluster.t, ok)
		if len(found) == 0 {
			return
		}
		for _, key := range found {
			name, ok := key.(string)
			require.True(m.cluster.t, ok)
			keys = append(keys, name)
		}
		m.move(keys)
		keys = keys[:0]
	}
}

func (m *Migration) move(keys []string) {
	m.cluster.t.Helper()
	args := []any{"MIGRATE", "127.0.0.1", m.To.local.port, "", 0, patience.Milliseconds()}
	if secret := m.To.local.secret; secret != "" {
		args = append(args, "AUTH", secret)
	}
	args = append(args, "KEYS")
	for _, key := range keys {
		args = append(args, key)
	}
	require.Equal(m.cluster.t, "OK", m.From.Do(args...), "move %v", keys)
}

// Finish moves the keys that are left and then the slot, and waits until all servers that are up know.
func (m *Migration) Finish() {
	m.cluster.t.Helper()
	m.MoveKeys()
	// The new master first: if it came last, nobody would hold the slot in between.
	tell := append([]*Server{m.To, m.From}, m.cluster.Masters()...)
	for i, server := range tell {
		if !slices.Contains(tell[:i], server) {
			server.Do("CLUSTER", "SETSLOT", m.slot, "NODE", m.cluster.id(m.To))
		}
	}
	m.cluster.awaitHolder(m.slot, m.To)
}
