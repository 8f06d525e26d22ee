package admin_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestAnyNodeListsAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "c", "a", "b")
		for _, n := range nodes {
			list, complete, err := n.admin.Nodes(t.Context())
			require.NoError(t, err)
			require.True(t, complete)
			require.Len(t, list, 3)
			require.Equal(t, []string{"a", "b", "c"}, []string{list[0].Name, list[1].Name, list[2].Name})
		}
	})
}

func TestAnyNodeListsAUsersConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a", "b")
		nodes[0].connect(t, "1", "default", "alice", "t", time.Now())
		nodes[1].connect(t, "2", "default", "alice", "t", time.Now())
		nodes[1].connect(t, "3", "default", "bob", "t", time.Now())
		nodes[1].connect(t, "4", "acme", "alice", "t", time.Now())
		all, err := nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.True(t, all.Complete)
		require.Equal(t, 2, all.Total)
		require.Equal(t, []admin.Connection{
			{Node: "a", Connection: "1", User: "alice", Address: "192.0.2.1", Opened: all.List[0].Opened, Targets: []string{"all", "user:alice", "topic:news"}, State: "live"},
			{Node: "b", Connection: "2", User: "alice", Address: "192.0.2.1", Opened: all.List[1].Opened, Targets: []string{"all", "user:alice", "topic:news"}, State: "live"},
		}, all.List)

		all, err = nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:nobody"))
		require.NoError(t, err)
		require.True(t, all.Complete)
		require.Zero(t, all.Total)
		require.NotNil(t, all.List, "an empty list, not null")
	})
}

// However many and long they are: an answer is one signal, and tells how many there are.
func TestALongAnswerFitsIntoASignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a")
		for i := range 300 {
			nodes[0].connect(t, strconv.Itoa(i)+strings.Repeat("x", 1000), "default", "alice", "t", time.Now())
		}
		all, err := nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.True(t, all.Complete)
		require.Equal(t, 300, all.Total)
		require.NotEmpty(t, all.List)
		require.Less(t, len(all.List), 100)
	})
}

func TestANodeThatDoesNotAnswerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a", "b")
		nodes[1].mute = true
		nodes[0].connect(t, "1", "default", "alice", "t", time.Now())
		start := time.Now()
		all, err := nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.False(t, all.Complete)
		require.Equal(t, 1, all.Total)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

// A signal that comes twice brings two answers of one node, which are not those of two.
func TestADoubledAnswerStandsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, nodes := newWorld(t, "a", "b")
		h.twice = true
		nodes[0].connect(t, "1", "default", "alice", "t", time.Now())
		all, err := nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.True(t, all.Complete)
		require.Equal(t, 1, all.Total)
		synctest.Wait() // the second signal may still be on its way
		nodes[1].mute = true
		all, err = nodes[0].admin.Connections(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.False(t, all.Complete)
		require.Equal(t, 1, all.Total)
		require.Len(t, all.List, 1)
	})
}

func TestEndEndsOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a", "b", "c")
		for i, n := range nodes {
			n.connect(t, strconv.Itoa(i), "default", "alice", "t", time.Now())
			n.connect(t, "other"+strconv.Itoa(i), "acme", "alice", "t", time.Now())
		}
		ended, complete, err := nodes[2].admin.End(t.Context(), logOf(t, "default", "user:alice"))
		require.NoError(t, err)
		require.True(t, complete)
		require.Equal(t, 3, ended)
		require.Equal(t, map[string]string{"0": "ended"}, nodes[0].reasons())

		ended, _, err = nodes[0].admin.EndConnection(t.Context(), event.DefaultTenant(), "other1")
		require.NoError(t, err)
		require.Zero(t, ended, "it is another tenant's")
		ended, _, err = nodes[0].admin.EndConnection(t.Context(), logOf(t, "acme", "all").Tenant, "other1")
		require.NoError(t, err)
		require.Equal(t, 1, ended)
		require.Equal(t, map[string]string{"1": "ended", "other1": "ended"}, nodes[1].reasons())
	})
}

func TestLogoutRefusesOnAllNodesAndOnThoseToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, nodes := newWorld(t, "a", "b")
		now := time.Now()
		nodes[0].connect(t, "old", "default", "alice", "t1", now.Add(-time.Hour))
		nodes[1].connect(t, "unknown", "default", "alice", "t2", time.Time{})
		nodes[1].connect(t, "new", "default", "alice", "t3", now.Add(2*time.Second))
		nodes[1].connect(t, "bob", "default", "bob", "t4", now.Add(-time.Hour))
		nodes[1].connect(t, "acme", "acme", "alice", "t5", now.Add(-time.Hour))
		alice := logOf(t, "default", "user:alice")
		refusal := auth.Refusal{Tenant: alice.Tenant, Target: alice.Target, Before: now, Until: now.Add(time.Hour)}

		ended, complete, err := nodes[0].admin.Refuse(t.Context(), refusal)
		require.NoError(t, err)
		require.True(t, complete)
		require.Equal(t, 2, ended)
		require.Equal(t, map[string]string{"old": "revoked"}, nodes[0].reasons())
		require.Equal(t, map[string]string{"unknown": "revoked"}, nodes[1].reasons())

		late := h.newNode("late")
		late.connect(t, "old", "default", "alice", "t1", now.Add(-time.Hour))
		require.Len(t, h.kept, 1)
		late.admin.Signal(h.kept[0])
		require.Equal(t, map[string]string{"old": "revoked"}, late.reasons())
		synctest.Wait()
		for _, n := range append(nodes, late) {
			p := auth.Principal{Tenant: alice.Tenant, User: alice.Target, TokenID: "t1", Issued: now.Add(-time.Hour)}
			require.True(t, n.refusals.Refused(p), n.name)
			p.Issued = now.Add(2 * time.Second)
			require.False(t, n.refusals.Refused(p), n.name)
		}
	})
}

// The clock of whoever issues tokens may be ahead: what was opened before the logout is ended whatever its token says.
func TestLogoutEndsWhatWasOpenedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a")
		now := time.Now()
		nodes[0].connect(t, "ahead", "default", "alice", "t1", now.Add(20*time.Second))
		nodes[0].conns[0].Opened = now.Add(-time.Second)
		nodes[0].connect(t, "later", "default", "alice", "t2", now.Add(20*time.Second))
		alice := logOf(t, "default", "user:alice")
		ended, _, err := nodes[0].admin.Refuse(t.Context(), auth.Refusal{Tenant: alice.Tenant, Target: alice.Target, Before: now, Until: now.Add(time.Hour)})
		require.NoError(t, err)
		require.Equal(t, 1, ended)
		require.Equal(t, map[string]string{"ahead": "revoked"}, nodes[0].reasons())
	})
}

// A relay that comes back brings every refusal again. Streams are not searched for what was known before.
func TestKnownRefusalsAreNotSearchedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, nodes := newWorld(t, "a")
		until := time.Now().Add(time.Hour)
		for _, id := range []string{"t1", "t2"} {
			_, _, err := nodes[0].admin.Refuse(t.Context(), auth.Refusal{Tenant: event.DefaultTenant(), TokenID: id, Until: until})
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Equal(t, 2, nodes[0].searches)
		for _, kept := range h.kept {
			nodes[0].admin.Signal(kept)
		}
		require.Equal(t, 2, nodes[0].searches)
		late := h.newNode("late")
		for _, kept := range h.kept {
			late.admin.Signal(kept)
		}
		require.Equal(t, 2, late.searches)
	})
}

func TestOneTokenIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a", "b")
		now := time.Now()
		nodes[0].connect(t, "1", "default", "alice", "stolen", now)
		nodes[1].connect(t, "2", "default", "alice", "good", now)
		nodes[1].connect(t, "3", "acme", "alice", "stolen", now)
		ended, complete, err := nodes[1].admin.Refuse(t.Context(), auth.Refusal{Tenant: event.DefaultTenant(), TokenID: "stolen", Until: now.Add(time.Hour)})
		require.NoError(t, err)
		require.True(t, complete)
		require.Equal(t, 1, ended)
		require.Equal(t, map[string]string{"1": "revoked"}, nodes[0].reasons())
		require.Empty(t, nodes[1].reasons())
	})
}

// A refusal that is not kept would be forgotten by nodes that are away: the caller is told.
func TestARefusalThatIsNotKeptIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, nodes := newWorld(t, "a")
		h.fail = errAway
		_, _, err := nodes[0].admin.Refuse(t.Context(), auth.Refusal{Tenant: event.DefaultTenant(), TokenID: "x", Until: time.Now().Add(time.Hour)})
		require.ErrorIs(t, err, errAway)
		_, _, err = nodes[0].admin.Nodes(t.Context())
		require.ErrorIs(t, err, errAway)

		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the answers are not waited for
		h.fail, nodes[0].mute = nil, true
		_, _, err = nodes[0].admin.Refuse(ctx, auth.Refusal{Tenant: event.DefaultTenant(), TokenID: "x", Until: time.Now().Add(time.Hour)})
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, h.kept, 1, "some nodes refuse it already, and those to come should")
	})
}

func TestSignalsThatCannotBeReadAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newWorld(t, "a")
		nodes[0].connect(t, "1", "default", "alice", "t", time.Now())
		for _, body := range []string{
			"", "mark", "[]", "{}", `{"refuse":{}}`, `{"refuse":{"tenant":"default","target":"user:*"}}`, `{"ask":{"end":{"reader":{"tenant":"","target":"all"}}}}`,
			`{"ask":{"connections":{"tenant":"default","target":"x"}}}`, `{"answer":{"id":"nobody asked"}}`, `{"ask":{"end":{}}}`, "\xff\x00",
		} {
			nodes[0].admin.Signal([]byte(body))
		}
		synctest.Wait()
		require.Empty(t, nodes[0].reasons())
	})
}
