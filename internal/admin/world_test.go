package admin_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// hub carries signals between the nodes of a test, and keeps those that are to be kept.
type hub struct {
	mu    sync.Mutex
	nodes []*node
	kept  [][]byte
	fail  error
	away  *node // does not hear
	twice bool  // brings everything twice
}

func (h *hub) Send(_ context.Context, _ backplane.Partition, message []byte, keep time.Duration) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return 0, h.fail
	}
	if keep > 0 {
		h.kept = append(h.kept, message)
	}
	heard := 0
	for _, n := range h.nodes {
		if n != h.away {
			heard++
			go n.admin.Signal(message) // ends at once
			if h.twice {
				go n.admin.Signal(message)
			}
		}
	}
	return heard, nil
}

// node is an Admin and the connections that it has.
type node struct {
	admin    *admin.Admin
	refusals *auth.Refusals
	name     string
	mute     bool // hears, and does not answer

	mu       sync.Mutex
	conns    []store.Info
	ended    map[string]store.Reason
	searches int // for streams to end
}

// List is the broker's.
func (n *node) List(log event.LogName, most int, done func([]store.Info, int)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mute {
		return
	}
	found := n.meant(log)
	done(found[:min(most, len(found))], len(found))
}

// End is the broker's.
func (n *node) End(log event.LogName, match func(store.Info) bool, reason store.Reason, done func(int)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ended := 0
	n.searches++
	for _, info := range n.meant(log) {
		if _, gone := n.ended[info.ID]; !gone && match(info) {
			n.ended[info.ID] = reason
			ended++
		}
	}
	done(ended)
}

func (n *node) meant(log event.LogName) (found []store.Info) {
	for _, info := range n.conns {
		for _, l := range info.Logs {
			if l == log || log == (event.LogName{}) {
				found = append(found, info)
				break
			}
		}
	}
	return found
}

func (n *node) reasons() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[string]string)
	for id, reason := range n.ended {
		out[id] = reason.String()
	}
	return out
}

// newWorld returns nodes that hear each other.
func newWorld(t *testing.T, names ...string) (*hub, []*node) {
	t.Helper()
	h := &hub{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, name := range names {
		h.nodes = append(h.nodes, h.newNode(name))
	}
	for _, n := range h.nodes {
		wg.Go(func() { n.admin.Run(ctx) })
	}
	return h, h.nodes
}

func (h *hub) newNode(name string) *node {
	n := &node{name: name, refusals: auth.NewRefusals(), ended: make(map[string]store.Reason)}
	n.admin = admin.New(admin.Config{
		Self:       func() admin.Node { return admin.Node{Name: name, Version: "v", Ready: true, Connections: len(n.conns)} },
		Partitions: 4, Broker: n, Signals: h, Refusals: n.refusals,
	}, slog.New(slog.DiscardHandler))
	return n
}

// connect adds a stream of a user.
func (n *node) connect(t *testing.T, id, tenant, user, token string, issued time.Time) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, store.Info{
		ID: id, Address: "192.0.2.1", State: "live", Opened: issued,
		Logs:       []event.LogName{logOf(t, tenant, "all"), logOf(t, tenant, "user:"+user), logOf(t, tenant, "topic:news")},
		Credential: store.Credential{Token: token, Issued: issued},
	})
}

func logOf(t *testing.T, tenant, target string) event.LogName {
	t.Helper()
	var log event.LogName
	var err error
	log.Tenant, err = event.ParseTenant(tenant)
	require.NoError(t, err)
	log.Target, err = event.ParseTarget(target)
	require.NoError(t, err)
	return log
}

var errAway = errors.New("away")
