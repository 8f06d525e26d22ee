package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

func TestAFreshReaderGoesLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		require.Equal(t, "[hello][live @100]", r.text())
		w.publish(101, "a")
		require.Equal(t, "[101 a]", r.text())
		w.publish(102, "b")
		require.Empty(t, r.text(), "an event of a log it does not read")
		require.Equal(t, 1, w.store.Len())
	})
}

func TestAReaderThatComesBackIsGivenWhatItMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		for i, log := range []string{"a", "b", "a", "c", "b"} {
			w.append(101+i, log)
		}
		r := w.attach(101, plenty, "a", "b")
		require.Equal(t, "[hello][102 b][103 a][105 b][live @105]", r.text())
	})
}

func TestEventsDuringTheLastRoundAreNeitherLostNorDoubled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.holdRounds()
		w.append(101, "a")
		r := w.attach(100, plenty, "a")
		w.publish(102, "a") // gathered, and read: the head is read after it
		require.Equal(t, "[hello]", r.text())
		w.release()
		require.Equal(t, "[101 a][102 a][live @102]", r.text())

		w = newWorld(t, nil)
		w.store.Vouched(0)
		w.holdRounds()
		r = w.attach(100, plenty, "a")
		w.store.Dispatch(w.log("a"), frame{101, "a", 0}) // gathered only: it comes after the fence
		w.release()
		require.Equal(t, "[hello][live @100][101 a]", r.text())
	})
}

func TestPagesAreReadAtTheReadersPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.page = 2
		for i := range 6 {
			w.append(101+i, "a")
		}
		r := w.attach(100, len("[hello]")+3, "a")
		require.Equal(t, "[hello][10", r.text())
		require.Equal(t, 1, w.number(&w.reads), "nothing more is read before this is taken")
		r.give()
		require.Equal(t, "1 a][102 a][103 a][104 a][105 a][106 a][live @106]", r.text())
	})
}

func TestOneEventForTwoLogsOfAReaderComesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a", "b")
		w.publish(101, "a", "b")
		require.Equal(t, "[hello][live @100][101 a]", r.text())
	})
}

func TestALiveOnlyEventComesWithoutMovingTheCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		w.store.Dispatch(w.log("a"), frame{0, "a", 0})
		require.Equal(t, "[hello][live @100][- a]", r.text())
		pass(16 * time.Second)
		require.Equal(t, "[ping @100]", r.text())
	})
}

func TestInDoubtReadersGetTheirEventsFromTheLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		require.Equal(t, "[hello][live @100]", r.text())
		w.store.Doubt(0)
		w.append(101, "a")
		pass(3 * time.Second)
		require.Equal(t, "[101 a]", r.text(), "polled")
		w.publish(102, "a")
		require.Empty(t, r.text(), "nobody is live while in doubt")
		w.append(103, "a")
		w.store.Vouched(0)
		require.Equal(t, "[102 a][103 a]", r.text(), "read at once; live is told once in a connection's life")
		w.publish(104, "a")
		require.Equal(t, "[104 a]", r.text())
		require.Zero(t, w.number(&w.catching))
	})
}

func TestADoubtDropsWhatIsNotBegunAndReadsItAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, len("[hello][live @100]")+3, "a")
		w.publish(101, "a")
		w.publish(103, "a")
		require.Equal(t, "[hello][live @100][10", r.text())
		w.store.Doubt(0)
		w.store.Vouched(0)
		w.mu.Lock()
		w.logs = []entry{{101, "a"}, {102, "a"}, {103, "a"}} // 102 was never relayed
		w.mu.Unlock()
		r.give()
		require.Equal(t, "1 a][102 a][103 a]", r.text(), "the begun block is finished, the other is read again, behind what was missed")
	})
}

func TestADoubtDuringTheLastRoundMakesItNotTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.holdRounds()
		r := w.attach(100, plenty, "a")
		w.store.Doubt(0)
		w.store.Vouched(0)
		w.release()
		require.Equal(t, "[hello][live @100]", r.text(), "one more round, then live")
		require.Equal(t, 2, w.number(&w.reads))
	})
}

func TestASlowReaderCostsACursorAndMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.BufferBytes = 100 })
		w.store.Vouched(0)
		slow := w.attach(100, len("[hello][live @100]")+2, "a")
		quick := w.attach(100, plenty, "a")
		for i := range 50 {
			w.publish(101+i, "a")
			synctest.Wait()
		}
		want := "[hello][live @100]" + events(101, 150)
		require.Equal(t, want, quick.text())
		require.Equal(t, 1, w.number(&w.catching), "it waits for its socket with nothing but a cursor")
		slow.give()
		require.Equal(t, want, slow.text())
		require.Zero(t, w.number(&w.catching))
	})
}

func TestAFullInboxIsADoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.InboxEvents = 3 })
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		require.Equal(t, "[hello][live @100]", r.text())
		block := make(chan struct{})
		w.attachBlocked(block)
		for i := range 10 {
			w.publish(101+i, "a")
		}
		w.store.Progress(0, at(110))
		close(block)
		require.Equal(t, events(101, 110), r.text())
		require.Equal(t, 1, w.number(&w.overflow))
		w.publish(111, "a")
		require.Equal(t, "[111 a]", r.text(), "live again")
	})
}

// events returns the blocks of the events of log a at first to last.
func events(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, "[%d a]", i)
	}
	return b.String()
}

// attachBlocked holds up the shard until block is closed.
func (w *world) attachBlocked(block chan struct{}) {
	entered := make(chan struct{})
	w.store.Attach(store.Attachment{
		Holder: &reader{}, Stream: blockingStream{entered, block}, Logs: []*store.Log{w.log("blocked")}, Hello: []byte("h"), Cursor: at(1),
	})
	<-entered
}

// Whoever still knows a connection that has ended keeps nothing of what waited for its reader.
func TestWhatHasEndedHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		waits := func() (*store.Conn, weak.Pointer[byte]) {
			hello := make([]byte, 1<<10)
			r := &reader{w: w}
			return w.store.Attach(store.Attachment{
				Holder: r, Stream: r, Logs: []*store.Log{w.log("a")}, Hello: hello, Cursor: at(100), Fence: at(100),
			}), weak.Make(&hello[0])
		}
		conn, hello := waits()
		synctest.Wait()
		runtime.GC()
		require.NotNil(t, hello.Value(), "the reader takes nothing")
		conn.Gone(nil)
		w.attach(100, plenty, "b") // the shard knows what it wrote last
		runtime.GC()
		require.Nil(t, hello.Value())
		runtime.KeepAlive(conn)
	})
}

// Who is in the same place gets the same ping, in the form that it reads.
func TestEveryPingIsInItsFormAndPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		plain, other := w.attach(100, plenty, "a"), w.attach(100, plenty, "b")
		form := &reader{w: w, room: plenty}
		form.conn = w.store.Attach(store.Attachment{
			Holder: form, Stream: form, Logs: []*store.Log{w.log("b")}, Hello: []byte("[hello]"), Cursor: at(100), Fence: at(100), Envelope: true,
		})
		for round := range 2 {
			for _, r := range []*reader{plain, other, form} {
				r.text()
			}
			pass(16 * time.Second)
			here := 100 + round
			require.Equal(t, fmt.Sprintf("[ping @%d]", here), other.text())
			require.Equal(t, fmt.Sprintf("[ping in an envelope @%d]", here), form.text())
			require.Equal(t, "[ping @100]", plain.text())
			w.publish(101, "b")
		}
	})
}

type blockingStream struct{ entered, block chan struct{} }

func (s blockingStream) Write(blocks [][]byte) (n int, err error) {
	select {
	case <-s.block:
	default:
		close(s.entered)
		<-s.block
	}
	for _, b := range blocks {
		n += len(b)
	}
	return n, nil
}

func (blockingStream) Close() {}

func TestWhatTheRelayMissedIsReadAgainUnderTheCurrentID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a", "b")
		late := w.attach(100, plenty, "b")
		w.append(101, "a") // missed
		w.publish(102, "b")
		w.publish(103, "b")
		require.Equal(t, "[hello][live @100][102 b][103 b]", r.text())
		require.Equal(t, "[hello][live @100][102 b][103 b]", late.text())
		joined := w.attach(103, plenty, "a")
		require.Equal(t, "[hello][live @103]", joined.text())
		w.store.Rewind(w.log("a"), at(100), at(101))
		w.publish(104, "a")
		require.Equal(t, "[101 a under 103][104 a]", r.text())
		require.Equal(t, "[104 a]", joined.text(), "what came before it joined is not its own")
		require.Empty(t, late.text())
	})
}

func TestARewindDuringARoundIsKeptForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a", "b")
		w.append(101, "a") // missed
		w.publish(102, "b")
		require.Equal(t, "[hello][live @100][102 b]", r.text())
		w.holdRounds()
		w.store.Doubt(0)
		w.store.Vouched(0)
		synctest.Wait()
		w.store.Rewind(w.log("a"), at(100), at(101))
		synctest.Wait()
		w.release()
		require.Equal(t, "[101 a under 102]", r.text())
		w.publish(103, "a")
		require.Equal(t, "[103 a]", r.text())
	})
}

func TestARewindFindsWhatWasMissedBeforeALaterRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a", "b")
		w.append(101, "a") // missed
		w.publish(102, "b")
		require.Equal(t, "[hello][live @100][102 b]", r.text())
		w.store.Doubt(0)
		w.store.Vouched(0)
		require.Empty(t, r.text(), "the round read on from 102")
		w.store.Rewind(w.log("a"), at(100), at(101))
		w.publish(103, "a")
		require.Equal(t, "[101 a under 102][103 a]", r.text())
	})
}

func TestADoubtKeepsWhatCameFromTheLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a", "b")
		for i := range 3 {
			w.append(101+i, "a") // missed
		}
		w.publish(110, "b")
		require.Equal(t, "[hello][live @100][110 b]", r.text())
		r.mu.Lock()
		r.room = 3
		r.mu.Unlock()
		w.store.Rewind(w.log("a"), at(100), at(103))
		require.Equal(t, "[10", r.text(), "live again, and its socket is full")
		w.store.Doubt(0)
		w.store.Vouched(0)
		r.give()
		require.Equal(t, "1 a under 110][102 a under 110][103 a under 110]", r.text(), "its cursor has passed them: no round would read them again")
	})
}

func TestALongRewindIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.page = 2
		r := w.attach(100, plenty, "a", "b")
		for i := range 5 {
			w.append(101+i, "a")
		}
		w.publish(110, "b")
		require.Equal(t, "[hello][live @100][110 b]", r.text())
		w.store.Rewind(w.log("a"), at(100), at(105))
		w.publish(111, "a")
		require.Equal(t, "[101 a under 110][102 a under 110][103 a under 110][104 a under 110][105 a under 110][111 a]", r.text())
	})
}

func TestAGapIsToldBeforeAnyNewerID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.append(101, "a")
		w.append(102, "b")
		w.gaps["a"] = event.GapTrimmed
		r := w.attach(100, plenty, "a", "b")
		require.Equal(t, "[hello][gap a trimmed @100][102 b][live @102]", r.text())
		w.publish(103, "a")
		require.Equal(t, "[103 a]", r.text())
	})
}

func TestALogWithAGapGoesOnFromTheFence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.page = 1
		for i, log := range []string{"a", "b", "b", "a"} {
			w.append(101+i, log)
		}
		w.gaps["a"] = event.GapExpired
		r := w.attach(100, plenty, "a", "b")
		require.Equal(t, "[hello][gap a expired @100][102 b][103 b][live @104]", r.text(), "told once, though there were several rounds")
	})
}

func TestACursorThatCannotBeReadIsAGapInEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.append(101, "a")
		r := w.attach(0, plenty, "a", "b")
		require.Equal(t, "[hello][gap a,b lost @-][live @101]", r.text())
	})
}

func TestALostCursorIsNeverComparedWithThePresent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.gaps["a"] = event.GapLost
		r := w.attach(5000, plenty, "a") // of a history that is gone, and ahead of the present one
		require.Equal(t, "[hello][gap a lost @5000][live @100]", r.text())
		w.publish(101, "a")
		require.Equal(t, "[101 a]", r.text())
	})
}

func TestPingsCarryProgressToReadersWithoutEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.attach(100, plenty, "a")
		pass(16 * time.Second)
		require.Equal(t, "[hello][ping @100]", r.text(), "not live: no progress")
		w.store.Vouched(0)
		require.Equal(t, "[live @100]", r.text())
		w.store.Progress(0, at(200))
		pass(16 * time.Second)
		require.Equal(t, "[ping @200]", r.text())
		w.store.Doubt(0)
		pass(16 * time.Second)
		require.Equal(t, "[ping @200]", r.text())
	})
}

func TestFailedReadsAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		w.fail = errors.New("away")
		w.append(101, "a")
		r := w.attach(100, plenty, "a")
		pass(10 * time.Second)
		require.Equal(t, "[hello]", r.text())
		require.Less(t, w.number(&w.reads), 12, "not in a tight loop")
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		pass(3 * time.Second)
		require.Equal(t, "[101 a][live @101]", r.text())
	})
}

func TestAReaderThatTakesNothingIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, 3, "a")
		r.conn.Gone(fmt.Errorf("write: %w", os.ErrDeadlineExceeded))
		require.Equal(t, "stalled", r.ended())
		require.True(t, r.closed)
		require.Zero(t, w.store.Len())
	})
}

func TestAStreamEndsAtItsAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.MaxAge = 10 * time.Second })
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		pass(7900 * time.Millisecond)
		require.Empty(t, r.ended())
		pass(4200 * time.Millisecond)
		require.Equal(t, "max_age", r.ended())
		require.Equal(t, "[hello][live @100][bye max_age]", r.text())
	})
}

func TestADrainSaysGoodbyeToEachAtItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *store.Config) { c.Shards = 3 })
		w.store.Vouched(0)
		var readers []*reader
		for range 100 {
			readers = append(readers, w.attach(100, plenty, "a"))
		}
		stuck := w.attach(100, 1, "a")
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- w.store.Drain(t.Context(), 10*time.Second, time.Second) }()
		pass(5 * time.Second)
		require.InDelta(t, 50, w.store.Len(), 25, "half of them, about")
		late := w.attach(100, plenty, "a")
		pass(200 * time.Millisecond)
		require.Equal(t, "draining", late.ended())
		require.NoError(t, <-done)
		require.Less(t, time.Since(start), 13*time.Second)
		for _, r := range append(readers, stuck) {
			require.Equal(t, "draining", r.ended())
		}
		require.True(t, strings.HasSuffix(readers[0].text(), "[bye draining]"))
		require.Zero(t, w.number(&w.catching))
	})
}

func TestADrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.attach(100, 0, "a") // whenever it is told, it takes no goodbye within the time
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.store.Drain(ctx, time.Minute, time.Second), context.DeadlineExceeded)
	})
}

func TestStoppingEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.attach(100, plenty, "a")
		gone := w.attach(100, plenty, "a")
		gone.conn.Gone(nil)
		require.Equal(t, "gone", gone.ended())
		w.stop()
		require.Equal(t, "stopped", r.ended())
		late := w.attach(100, plenty, "a")
		require.Equal(t, "stopped", late.ended())
		require.True(t, late.closed)
		require.Zero(t, w.store.Len())
	})
}

func TestWritesCoalesceUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		r := w.attach(100, plenty, "a")
		block := make(chan struct{})
		w.attachBlocked(block)
		for i := range 100 {
			w.publish(101+i, "a")
		}
		r.mu.Lock()
		before := r.writes
		r.mu.Unlock()
		close(block)
		require.Equal(t, 100, strings.Count(r.text(), " a]"))
		require.Equal(t, before+1, r.writes, "a hundred events, one write")
	})
}

func TestReadersOfManyLogsAreFoundAndForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.Vouched(0)
		var readers []*reader
		for i := range 20 {
			readers = append(readers, w.attach(100, plenty, "all", fmt.Sprint("even", i%2), fmt.Sprint("own", i)))
		}
		for i, r := range readers {
			if i%3 == 0 {
				r.conn.Gone(nil)
			}
			r.text()
		}
		w.publish(101, "all")
		w.publish(102, "even0")
		w.publish(103, "own4")
		for i, r := range readers {
			want := ""
			if i%3 != 0 {
				want = "[101 all]"
				if i%2 == 0 {
					want += "[102 even0]"
				}
				if i == 4 {
					want += "[103 own4]"
				}
			}
			require.Equal(t, want, r.text(), "reader %d", i)
		}
	})
}

func TestConfigNamesAllFaults(t *testing.T) {
	t.Parallel()
	require.NoError(t, store.DefaultConfig().Validate())
	err := store.Config{}.Validate()
	for _, field := range []string{"Shards", "Heartbeat", "Poll", "BufferBytes", "InboxEvents", "InboxBytes"} {
		require.ErrorContains(t, err, field)
	}
}
