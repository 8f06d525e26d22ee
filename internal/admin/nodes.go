package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// Node describes one node.
type Node struct {
	// Name is the setting node.
	Name string `json:"node"`
	// Version is that of the program.
	Version string `json:"version"`
	// Started is when it was.
	Started time.Time `json:"started"`
	// Ready says whether balancers should send it readers, and Reason why not.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	// Connections is how many streams it has.
	Connections int `json:"connections"`
}

// Connection describes one stream.
type Connection struct {
	Node       string    `json:"node"`
	Connection string    `json:"connection"`
	User       string    `json:"user,omitempty"`
	Session    string    `json:"session,omitempty"`
	Address    string    `json:"address"`
	Opened     time.Time `json:"opened"`
	Expires    time.Time `json:"expires,omitzero"`
	Targets    []string  `json:"targets"`
	State      string    `json:"state"`
	Cursor     string    `json:"cursor,omitempty"`
}

// Nodes returns all nodes whose relay works, by name. complete says that all of them have answered.
func (a *Admin) Nodes(ctx context.Context) (nodes []Node, complete bool, err error) {
	answers, complete, err := a.ask(ctx, event.DefaultTenant(), ask{})
	if err != nil {
		return nil, false, err
	}
	nodes = []Node{}
	for _, given := range answers {
		if given.Node != nil {
			nodes = append(nodes, *given.Node)
		}
	}
	slices.SortFunc(nodes, func(x, y Node) int { return cmp.Compare(x.Name, y.Name) })
	return nodes, complete, nil
}

// Connections are streams of all nodes.
type Connections struct {
	// List has the first hundred of each node, by node and age.
	List []Connection `json:"connections"`
	// Total counts all of them.
	Total int `json:"total"`
	// Complete says that all nodes have answered.
	Complete bool `json:"complete"`
}

// Connections returns the streams that read a log.
func (a *Admin) Connections(ctx context.Context, log event.LogName) (Connections, error) {
	answers, complete, err := a.ask(ctx, log.Tenant, ask{Connections: nameOf(log)})
	if err != nil {
		return Connections{}, err
	}
	all := Connections{List: []Connection{}, Complete: complete}
	for _, given := range answers {
		all.List = append(all.List, given.Connections...)
		all.Total += given.Total
	}
	slices.SortFunc(all.List, func(x, y Connection) int {
		return cmp.Or(cmp.Compare(x.Node, y.Node), x.Opened.Compare(y.Opened), cmp.Compare(x.Connection, y.Connection))
	})
	return all, nil
}

// End ends all streams that read a log, which may come back, and returns how many they were.
func (a *Admin) End(ctx context.Context, log event.LogName) (ended int, complete bool, err error) {
	return a.endAll(ctx, log.Tenant, end{Reader: nameOf(log)})
}

// EndConnection ends one stream, which may come back, and returns how many it was.
func (a *Admin) EndConnection(ctx context.Context, tenant event.Tenant, connection string) (ended int, complete bool, err error) {
	return a.endAll(ctx, tenant, end{Connection: connection, Tenant: tenant.String()})
}

// Refuse refuses tokens on all nodes, those too that are away or not started yet, and ends the streams that have them,
// which may not come back. It returns how many these were; an error says that the refusal may not hold everywhere.
func (a *Admin) Refuse(ctx context.Context, r auth.Refusal) (ended int, complete bool, err error) {
	ended, complete, err = a.endAll(ctx, r.Tenant, end{Refuse: ruleOf(r)})
	// It is kept whatever became of that: some nodes may have it by now, and those to come should not know less.
	if err = errors.Join(err, a.keep(ctx, r)); err != nil {
		return 0, false, err
	}
	return ended, complete, nil
}

// keep has nodes that are away or not started yet learn of a refusal.
func (a *Admin) keep(ctx context.Context, r auth.Refusal) error {
	body, err := encode(message{Refuse: ruleOf(r)})
	if err != nil {
		return err
	}
	if _, err = a.cfg.Signals.Send(ctx, backplane.PartitionOf(r.Tenant, a.cfg.Partitions), body, time.Until(r.Until)); err != nil {
		return fmt.Errorf("keep the refusal: %w", err)
	}
	return nil
}

func (a *Admin) endAll(ctx context.Context, tenant event.Tenant, which end) (ended int, complete bool, err error) {
	answers, complete, err := a.ask(ctx, tenant, ask{End: &which})
	for _, given := range answers {
		ended += given.Total
	}
	return ended, complete, err
}

// mostTargets is the most targets of a connection that are listed.
const mostTargets = 20

func connectionsOf(node string, infos []store.Info) []Connection {
	list := make([]Connection, len(infos))
	for i, info := range infos {
		c := Connection{
			Node: node, Connection: info.ID, Address: info.Address, Opened: info.Opened.UTC(),
			Expires: info.Credential.Expires.UTC(), State: info.State,
		}
		if info.Credential.Expires.IsZero() {
			c.Expires = time.Time{}
		}
		if !info.Cursor.IsZero() {
			c.Cursor = info.Cursor.String()
		}
		for n, log := range info.Logs {
			switch log.Target.Kind() {
			case event.KindUser:
				c.User = log.Target.ID()
			case event.KindSession:
				c.Session = log.Target.ID()
			case event.KindTopic, event.KindAll:
			}
			if n < mostTargets {
				c.Targets = append(c.Targets, log.Target.String())
			}
		}
		list[i] = c
	}
	return list
}

// Entries is a part of a log.
type Entries struct {
	// Entries are its events, in order.
	Entries []backplane.Entry
	// Head is the partition's last position.
	Head event.Position
	// Gap says what cannot be told of what came after the position that was asked for.
	Gap event.GapReason
	// More says that there are more behind the last entry.
	More bool
}

// logBytes bounds an answer of Log.
const logBytes = 4 << 20

// Log returns events of a log behind a position; of the oldest on that are kept, where after is zero.
func (a *Admin) Log(ctx context.Context, log event.LogName, after event.Position, limit int) (Entries, error) {
	head, err := a.cfg.Logs.Head(ctx, backplane.PartitionOf(log.Tenant, a.cfg.Partitions))
	if err != nil {
		return Entries{}, fmt.Errorf("read log: %w", err)
	}
	pages, err := a.cfg.Logs.Replay(ctx, []backplane.Query{{Log: log, After: after, Through: head, Limit: limit, Bytes: logBytes}})
	if err != nil {
		return Entries{}, fmt.Errorf("read log: %w", err)
	}
	return Entries{Entries: pages[0].Entries, Head: head, Gap: pages[0].Gap, More: pages[0].Full}, nil
}
