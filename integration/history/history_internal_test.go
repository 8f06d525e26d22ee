package history

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
)

const topic = "topic:news"

// script writes histories by hand. Its clock goes on with every look at it.
type script struct {
	*History

	t      *testing.T
	reader *Reader
}

func newScript(t *testing.T) *script {
	t.Helper()
	now := time.Duration(0)
	h := New()
	h.clock = func() time.Duration { now += time.Millisecond; return now }
	s := &script{History: h, t: t}
	s.reader = h.Reader("alice", topic, "all")
	s.connect(1)
	return s
}

func place(millis int) event.Position { return on("a", millis) }

func on(timeline string, millis int) event.Position {
	p, err := event.NewPosition(timeline, uint64(millis), 0)
	if err != nil {
		panic(err)
	}
	return p
}

// connect begins a connection whose hello has a cursor.
func (s *script) connect(cursor int) {
	s.reader.Connect()
	s.reader.Give(Block{Kind: Hello, Cursor: place(cursor)})
}

// publish has an event acknowledged.
func (s *script) publish(target string, millis int) (number int) {
	number = s.Begin(target)
	s.Acknowledge(number, place(millis))
	return number
}

// give hands the reader an event as it was acknowledged.
func (s *script) give(numbers ...int) {
	for _, n := range numbers {
		a := s.attempts[n]
		s.reader.Give(Block{Kind: Event, Cursor: a.position, Position: a.position, Target: a.target, Number: n})
	}
}

func (s *script) gap(cursor int, reason event.GapReason, targets ...string) {
	s.reader.Give(Block{Kind: Gap, Cursor: place(cursor), Targets: targets, Reason: reason})
}

// requireFound checks that exactly one thing is wrong.
func (s *script) requireFound(pick func(*Verdict) *Findings) {
	s.t.Helper()
	v := s.Judge()
	found := pick(&v)
	require.Equal(s.t, 1, found.Count, "%v", v)
	require.Len(s.t, found.Examples, 1)
	*found = Findings{}
	requireClean(s.t, v)
}

func requireClean(t *testing.T, v Verdict) {
	t.Helper()
	for name, f := range map[string]Findings{
		"missing": v.Missing, "late": v.Late, "disordered": v.Disordered, "doubled": v.Doubled, "foreign": v.Foreign, "absent": v.Absent,
	} {
		require.Zero(t, f.Count, "%s: %v", name, f.Examples)
	}
}

func TestAllThatWasAcknowledgedCame(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.give(s.publish(topic, 2), s.publish("all", 3), s.publish(topic, 4))
	s.Refuse(s.Begin(topic))
	s.Begin(topic)
	v := s.Judge()
	requireClean(t, v)
	require.Equal(t, [4]int{3, 1, 1, 3}, [4]int{v.Acknowledged, v.Refused, v.Unanswered, v.Delivered})
	require.Positive(t, v.Slowest)
}

func TestAnEventIsMissing(t *testing.T) {
	t.Parallel()
	for _, missing := range []int{0, 1, 2} { // the last one too
		s := newScript(t)
		numbers := []int{s.publish(topic, 2), s.publish(topic, 3), s.publish(topic, 4)}
		s.give(slices.Delete(numbers, missing, missing+1)...)
		s.requireFound(func(v *Verdict) *Findings { return &v.Missing })
	}
}

// What was before its first hello is not for a reader, unless the event was published later.
func TestWhatWasBeforeIsNotMissing(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.readers = nil
	s.publish(topic, 5)
	s.reader = s.Reader("late", topic)
	s.connect(5)
	s.give(s.publish(topic, 6))
	requireClean(t, s.Judge())
	s.Acknowledge(s.Begin(topic), on("b", 4)) // the store went back
	s.requireFound(func(v *Verdict) *Findings { return &v.Missing })
}

// A reader that has no fence is to get what is published after its hello.
func TestReaderWithoutFence(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.readers = nil
	s.publish(topic, 5)
	s.reader = s.Reader("unreadable", topic)
	s.reader.Connect()
	s.reader.Give(Block{Kind: Hello})
	s.publish(topic, 6)
	s.requireFound(func(v *Verdict) *Findings { return &v.Missing })
}

func TestTwoEventsSwapped(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	first, second := s.publish(topic, 2), s.publish(topic, 3)
	s.reader.Give(Block{Kind: Event, Cursor: place(1), Position: place(3), Target: topic, Number: second})
	s.reader.Give(Block{Kind: Event, Cursor: place(1), Position: place(2), Target: topic, Number: first})
	s.requireFound(func(v *Verdict) *Findings { return &v.Disordered })
}

func TestCursorGoesBack(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.give(s.publish(topic, 3))
	s.reader.Give(Block{Kind: Other, Cursor: place(2)})
	s.requireFound(func(v *Verdict) *Findings { return &v.Disordered })
	s.connect(2) // that of another connection may
	s.requireFound(func(v *Verdict) *Findings { return &v.Disordered })
}

// The store has to put what is published after an acknowledgement behind it.
func TestAcknowledgementsContradict(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	later, earlier := s.publish(topic, 3), s.publish(topic, 2)
	s.give(earlier, later)
	s.requireFound(func(v *Verdict) *Findings { return &v.Disordered })
}

func TestPublishesAtTheSameTimeAreInAnyOrder(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	first := s.Begin(topic, topic)
	s.Acknowledge(first, place(3))
	s.Acknowledge(first+1, place(2))
	s.give(first+1, first)
	requireClean(t, s.Judge())
}

func TestAnEventDoubled(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	n, next := s.publish(topic, 2), s.publish(topic, 3)
	s.give(n, next)
	s.reader.Give(Block{Kind: Event, Cursor: place(3), Position: place(2), Target: topic, Number: n})
	s.requireFound(func(v *Verdict) *Findings { return &v.Doubled })
	s.connect(1)
	s.give(n, next)
	require.Equal(t, 2, s.Judge().Again, "at least once is the promise")
}

// An event that was published again, because the store had lost it.
func TestDoubledBehindALoss(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	n := s.publish(topic, 2)
	s.give(n)
	s.gap(2, event.GapLost, topic)
	s.reader.Give(Block{Kind: Event, Cursor: on("b", 1), Position: on("b", 1), Target: topic, Number: n})
	v := s.Judge()
	requireClean(t, v)
	require.Equal(t, 1, v.Again)
}

func TestForeignEvents(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]Block{
		"never published": {Number: 7, Target: topic},
		"other target":    {Number: 0, Target: "all"},
		"not its reader":  {Number: 1, Target: "user:bob"},
		"no number":       {Number: -1, Target: topic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.give(s.publish(topic, 2))
			s.publish("user:bob", 3)
			b.Kind, b.Cursor, b.Position = Event, place(4), place(4)
			s.reader.Give(b)
			s.requireFound(func(v *Verdict) *Findings { return &v.Foreign })
		})
	}
}

func TestAGapTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, reason := range []event.GapReason{event.GapTrimmed, event.GapExpired, event.GapLost} {
		s := newScript(t)
		s.give(s.publish(topic, 2))
		s.publish(topic, 3)
		s.publish(topic, 4)
		s.gap(2, reason, "all", topic)
		s.give(s.publish(topic, 5))
		v := s.Judge()
		requireClean(t, v)
		require.Equal(t, 1, v.GapsRight)
		require.Equal(t, 1, v.GapsWrong, "nothing of all is missing")
	}
}

// A gap of another target, or of an earlier loss, tells nothing.
func TestAGapThatTellsSomethingElse(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.publish(topic, 2)
	s.gap(1, event.GapTrimmed, topic)
	s.give(s.publish(topic, 3))
	s.publish(topic, 4)
	s.gap(3, event.GapTrimmed, "all")
	s.give(s.publish(topic, 5))
	s.requireFound(func(v *Verdict) *Findings { return &v.Missing })
}

func TestAGapThatComesLate(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.publish(topic, 2)
	s.give(s.publish(topic, 3))
	s.gap(3, event.GapLost, topic)
	s.requireFound(func(v *Verdict) *Findings { return &v.Late })
}

func TestAGapThatIsWrong(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.give(s.publish(topic, 2))
	s.gap(2, event.GapLost, topic)
	s.give(s.publish(topic, 3))
	v := s.Judge()
	requireClean(t, v)
	require.Equal(t, [2]int{0, 1}, [2]int{v.GapsRight, v.GapsWrong})
}

// A gap that is told again, as the reader has come back before it had anything newer, is as right as the first one.
func TestAGapThatIsToldAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.publish(topic, 2)
	s.gap(1, event.GapTrimmed, topic)
	s.connect(1)
	s.gap(1, event.GapTrimmed, topic)
	s.give(s.publish(topic, 3))
	v := s.Judge()
	requireClean(t, v)
	require.Equal(t, [2]int{2, 0}, [2]int{v.GapsRight, v.GapsWrong})
}

// The store lost history and its clock went back: positions of the new timeline are below those that were lost.
func TestTheClockGoesBackWithALoss(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.give(s.publish(topic, 100))
	s.publish(topic, 101)
	s.gap(100, event.GapLost, topic, "all")
	for i := range 3 {
		n := s.Begin(topic)
		s.Acknowledge(n, on("b", 50+i))
		s.give(n)
	}
	v := s.Judge()
	requireClean(t, v)
	require.Equal(t, 1, v.GapsRight)
}

func TestAReaderThatIsAway(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.reader.Disconnect()
	s.reader.Disconnect()
	require.Equal(t, 1, s.Ended())
	s.requireFound(func(v *Verdict) *Findings { return &v.Absent })
}

func TestDeliveryIsBack(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	before := s.publish(topic, 2)
	mark := s.Now()
	s.give(before)
	_, back := s.Back(mark)
	require.False(t, back, "what was published before does not count")
	s.give(s.publish(topic, 3))
	took, back := s.Back(mark)
	require.True(t, back)
	require.Equal(t, s.reader.blocks[2].at-mark, took)
	s.Reader("bob", topic)
	_, back = s.Back(mark)
	require.False(t, back, "every reader has to have something")
}

// A long history that is right, with readers that come back and are told of what was trimmed; and the same with one thing
// wrong.
func TestLongHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			s := long(t, random)
			requireClean(t, s.Judge())

			i := someEvent(random, s.reader)
			b := s.reader.blocks[i]
			s.reader.blocks = slices.Insert(s.reader.blocks, i, b)
			s.requireFound(func(v *Verdict) *Findings { return &v.Doubled })
			s.reader.blocks = slices.Delete(s.reader.blocks, i, i+2)
			v := s.Judge()
			require.Equal(t, 1, v.Missing.Count+v.Late.Count, "a gap that is told later, of another event, does not make it good")
			s.reader.blocks = slices.Insert(s.reader.blocks, i, b)
			requireClean(t, s.Judge())
			s.reader.blocks[i], s.reader.blocks[i+1] = s.reader.blocks[i+1], s.reader.blocks[i]
			require.Equal(t, 2, s.Judge().Disordered.Count, "the event and the cursor")
		})
	}
}

func long(t *testing.T, random *rand.Rand) *script {
	t.Helper()
	s := newScript(t)
	at := 1
	for range 300 {
		at++
		n := s.publish([]string{topic, "all"}[random.IntN(2)], at)
		switch random.IntN(20) {
		case 0: // it is trimmed while the reader is away
			s.reader.Disconnect()
			s.connect(at - 1)
			s.gap(at-1, event.GapTrimmed, s.attempts[n].target)
		case 1:
			s.reader.Disconnect()
			s.connect(at - 1)
			s.give(n)
		default:
			s.give(n)
		}
	}
	return s
}

// someEvent returns the index of an event that is between two others of its target.
func someEvent(random *rand.Rand, r *Reader) int {
	for {
		i := 1 + random.IntN(len(r.blocks)-2)
		if !slices.ContainsFunc(r.blocks[i-1:i+2], func(b Block) bool { return b.Kind != Event || b.Target != r.blocks[i].Target }) {
			return i
		}
	}
}
