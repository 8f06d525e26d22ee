package backplanetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

func signalCases() []testCase {
	return []testCase{
		{name: "a Run gets what is sent", test: signalHeard},
		{name: "a Run that begins gets what is kept, before it is vouched for", test: signalKept},
		{name: "a Run that was interrupted gets what is kept, before it is vouched for", test: signalAfterInterruption},
		{name: "what is not kept is not there later", test: signalNotKept},
		{name: "what is kept expires", test: signalExpires},
		{name: "the longer time counts", test: signalKeptTwice},
		{name: "messages are bytes", test: signalBytes},
		{name: "they are bounded", test: signalBounds},
		{name: "an ended context is an error", test: signalOfEndedContext},
	}
}

// send sends a signal that goes as it should, and returns how many heard it.
func (s *scene) send(message string, keep time.Duration) (nodes int) {
	s.t.Helper()
	nodes, err := s.Signals.Send(s.t.Context(), s.partition, []byte(message), keep)
	s.check(err)
	return nodes
}

// awaitSignal waits until a message has come.
func (s *scene) awaitSignal(message string) {
	s.t.Helper()
	if !s.sink.await(func(calls []call) bool { return len(signalsAt(calls, message)) > 0 }) {
		s.t.Fatalf("the signal %q has not come", message)
	}
}

// signalsAt returns where a message is among calls.
func signalsAt(calls []call, message string) []int {
	var at []int
	for i, c := range calls {
		if c.kind == callSignal && c.message == message {
			at = append(at, i)
		}
	}
	return at
}

// lastVouched returns where the last Vouched is among calls.
func lastVouched(calls []call) int {
	for i, c := range slices.Backward(calls) {
		if c.kind == callVouched {
			return i
		}
	}
	return -1
}

func signalHeard(s *scene) {
	s.expect(s.send("nobody", 0) == 0, "somebody heard without a Run")
	s.start()
	for i := range 20 {
		nodes := s.send(strconv.Itoa(i), 0)
		s.expect(nodes == 1, "%d nodes heard it, want 1", nodes)
	}
	for i := range 20 {
		s.awaitSignal(strconv.Itoa(i))
	}
	for _, c := range s.sink.all() {
		s.expect(c.kind != callSignal || c.partition == s.partition, "a signal of partition %d came for %d", s.partition, c.partition)
	}
}

func signalKept(s *scene) {
	for i := range 10 {
		s.send(strconv.Itoa(i), time.Minute)
	}
	s.start()
	for i := range 10 {
		at := signalsAt(s.sink.all(), strconv.Itoa(i))
		s.expect(len(at) > 0 && at[0] < lastVouched(s.sink.all()), "signal %d did not come before the relay was vouched for", i)
	}
	s.check(s.stop())
	s.start()
	for i := range 10 {
		s.expect(len(signalsAt(s.sink.all(), strconv.Itoa(i))) >= 2, "signal %d did not come to the second Run", i)
	}
}

func signalAfterInterruption(s *scene) {
	s.start()
	before := count(s.sink.all(), callVouched, s.partition)
	restore := s.interrupt()
	s.send("missed", time.Minute)
	restore()
	s.awaitVouched(before)
	at := signalsAt(s.sink.all(), "missed")
	s.expect(len(at) > 0 && at[0] < lastVouched(s.sink.all()), "the signal did not come before the relay was vouched for again")
}

func signalNotKept(s *scene) {
	s.send("gone", 0)
	s.send("gone too", -time.Second)
	s.start()
	s.send("here", 0)
	s.awaitSignal("here")
	for _, message := range []string{"gone", "gone too"} {
		s.expect(len(signalsAt(s.sink.all(), message)) == 0, "the signal %q came although it was not kept", message)
	}
}

func signalExpires(s *scene) {
	s.send("short", time.Second)
	s.send("long", time.Hour)
	s.pass(time.Second + margin)
	s.start()
	s.awaitSignal("long")
	s.expect(len(signalsAt(s.sink.all(), "short")) == 0, "a signal came after its time")
}

func signalKeptTwice(s *scene) {
	s.send("longer first", time.Hour)
	s.send("longer first", time.Second)
	s.send("longer last", time.Second)
	s.send("longer last", time.Hour)
	s.pass(time.Second + margin)
	s.start()
	s.awaitSignal("longer first")
	s.awaitSignal("longer last")
}

func signalBytes(s *scene) {
	given := []byte("kept \x00\xff\r\n")
	kept := string(given)
	_, err := s.Signals.Send(s.t.Context(), s.partition, given, time.Minute)
	s.check(err)
	_, err = s.Signals.Send(s.t.Context(), s.partition, nil, time.Minute)
	s.check(err)
	clear(given)
	s.start()
	s.awaitSignal(kept)
	s.expect(len(signalsAt(s.sink.all(), "")) == 0, "an empty message was kept")
	for _, message := range [][]byte{{}, {0}, []byte("\r\n\x00\xff\u00e9"), []byte("mark 12345678.1-0"), []byte("signal "), bytes.Repeat([]byte("x"), backplane.MaxSignal)} {
		given := bytes.Clone(message)
		_, err := s.Signals.Send(s.t.Context(), s.partition, given, 0)
		s.check(err)
		clear(given) // it belongs to the caller again
		s.awaitSignal(string(message))
	}
}

func signalBounds(s *scene) {
	_, err := s.Signals.Send(s.t.Context(), s.partition, make([]byte, backplane.MaxSignal+1), 0)
	s.expect(errors.Is(err, backplane.ErrTooLargeSignal), "a signal of more than MaxSignal: %v", err)
	_, err = s.Signals.Send(s.t.Context(), s.partition, make([]byte, backplane.MaxKeptSignal+1), time.Minute)
	s.expect(errors.Is(err, backplane.ErrTooLargeSignal), "a signal of more than MaxKeptSignal is kept: %v", err)
	for i := range backplane.MaxKeptSignals {
		keep := time.Hour
		if i < 10 {
			keep = 500 * time.Millisecond
		}
		s.send(strconv.Itoa(i), keep)
	}
	s.pass(500*time.Millisecond + margin)
	for i := range 10 {
		s.send("in the place of an expired one "+strconv.Itoa(i), time.Hour)
	}
	_, err = s.Signals.Send(s.t.Context(), s.partition, []byte("one more"), time.Hour)
	s.expect(errors.Is(err, backplane.ErrTooManySignals), "more than MaxKeptSignals: %v", err)
	s.send(strconv.Itoa(100), 2*time.Hour)
	s.send("not to be kept", 0)
}

func signalOfEndedContext(s *scene) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	_, err := s.Signals.Send(ctx, s.partition, []byte("x"), 0)
	s.expect(errors.Is(err, context.Canceled), "Send: %v does not wrap context.Canceled", err)
}
