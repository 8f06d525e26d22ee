package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// end ends what matches and returns how many that were.
func (w *world) end(log *store.Log, match func(store.Info) bool, reason store.Reason) int {
	ended := make(chan int, 1)
	w.store.End(log, match, reason, func(n int) { ended <- n })
	return <-ended
}

func everyone(store.Info) bool { return true }

func TestAStreamEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.MaxAge = time.Minute })
		w.store.Vouched(0)
		short := w.attachAs(store.Credential{Expires: time.Now().Add(10 * time.Second)}, 100, plenty, "a")
		long := w.attachAs(store.Credential{Expires: time.Now().Add(time.Hour)}, 100, plenty, "a")
		past := w.attachAs(store.Credential{Expires: time.Now().Add(-time.Second)}, 100, plenty, "a")
		pass(200 * time.Millisecond)
		require.Equal(t, "expired", past.ended(), "it expired on the way here")
		pass(9700 * time.Millisecond)
		require.Empty(t, short.ended())
		pass(200 * time.Millisecond)
		require.Equal(t, "expired", short.ended())
		require.Equal(t, "[hello][live @100][bye expired]", short.text())
		pass(time.Minute + 5*time.Second)
		require.Equal(t, "max_age", long.ended(), "the earlier of the two counts")
	})
}

func TestEndEndsThoseThatMatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.Shards = 3 })
		w.store.Vouched(0)
		var alice []*reader
		for range 5 {
			alice = append(alice, w.attachAs(store.Credential{Token: "old"}, 100, plenty, "all", "alice"))
		}
		fresh := w.attachAs(store.Credential{Token: "new"}, 100, plenty, "all", "alice")
		bob := w.attachAs(store.Credential{Token: "old"}, 100, plenty, "all", "bob")
		old := func(i store.Info) bool { return i.Credential.Token == "old" }

		require.Equal(t, 5, w.end(w.log("alice"), old, store.ReasonRevoked))
		require.Zero(t, w.end(w.log("alice"), old, store.ReasonRevoked), "they are ended")
		require.Zero(t, w.end(w.log("carol"), everyone, store.ReasonRevoked))
		for _, r := range alice {
			require.Equal(t, "[hello][live @100][bye revoked for good]", r.text())
			require.Equal(t, "revoked", r.ended())
		}
		w.publish(101, "alice", "bob")
		require.Equal(t, "[hello][live @100][101 alice]", fresh.text())

		require.Equal(t, 2, w.end(nil, everyone, store.ReasonEnded))
		require.Equal(t, "[bye ended]", fresh.text())
		require.Equal(t, "[hello][live @100][101 bob][bye ended]", bob.text())
		require.Zero(t, w.store.Len())
		require.Zero(t, w.number(&w.catching))
	})
}

// What waits for a reader that was logged out is not written any more; only a block that is begun is finished.
func TestAReaderThatIsSentAwayGetsNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		slow := w.attach(100, len("[hello][live @100][10"), "a")
		comesBack := w.attach(100, len("[hello][live @100][10"), "a")
		w.publish(101, "a")
		w.publish(102, "a")
		require.Equal(t, 2, w.end(w.log("a"), everyone, store.ReasonEnded))
		require.Equal(t, "[hello][live @100][10", slow.text())
		slow.give()
		comesBack.give()
		require.Equal(t, "1 a][102 a][bye ended]", slow.text())

		revoked := w.attach(102, len("[hello][live @102][10"), "a")
		w.publish(103, "a")
		w.publish(104, "a")
		require.Equal(t, "[hello][live @102][10", revoked.text())
		require.Equal(t, 1, w.end(w.log("a"), everyone, store.ReasonRevoked))
		revoked.give()
		require.Equal(t, "3 a][bye revoked for good]", revoked.text())

		stuck := w.attach(104, 0, "a")
		require.Equal(t, 1, w.end(w.log("a"), everyone, store.ReasonRevoked))
		pass(3 * time.Second)
		require.Equal(t, "revoked", stuck.ended(), "it need not take its goodbye")
	})
}

// A round that is under way when its reader is sent away comes to nothing.
func TestAReaderIsSentAwayWhileItCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.holdRounds()
		w.append(101, "a")
		r := w.attach(100, plenty, "a")
		require.Equal(t, 1, w.end(w.log("a"), everyone, store.ReasonRevoked))
		w.release()
		require.Equal(t, "[hello][bye revoked for good]", r.text())
		require.Equal(t, "revoked", r.ended())
		require.Zero(t, w.number(&w.catching))
	})
}

func TestListDescribesConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.Shards = 3 })
		w.store.Vouched(0)
		opened := time.Now()
		credential := store.Credential{Token: "t", Issued: opened.Add(-time.Hour), Expires: opened.Add(time.Hour)}
		w.attachAs(credential, 100, plenty, "all", "alice")
		for range 9 {
			w.attach(100, plenty, "all")
		}
		type answer struct {
			infos []store.Info
			total int
		}
		list := func(log *store.Log, most int) answer {
			answers := make(chan answer, 1)
			w.store.List(log, most, func(infos []store.Info, total int) { answers <- answer{infos, total} })
			return <-answers
		}
		require.Equal(t, answer{[]store.Info{{
			ID: "all+alice", Logs: []event.LogName{logName("all"), logName("alice")}, Credential: credential,
			Opened: opened, State: "live", Cursor: at(100),
		}}, 1}, list(w.log("alice"), 10))
		require.Len(t, list(w.log("all"), 4).infos, 4)
		require.Equal(t, 10, list(w.log("all"), 4).total)
		require.Equal(t, 10, list(nil, 0).total)
		require.Zero(t, list(w.log("bob"), 10))

		w.store.Doubt(0)
		require.Equal(t, "catching_up", list(w.log("alice"), 1).infos[0].State)
	})
}
