package backplanetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

func ticketCases() []testCase {
	return []testCase{
		{name: "a value is taken once", test: ticketTakenOnce},
		{name: "of many takers one gets it", test: ticketTakenAtOnce},
		{name: "looking does not use it up", test: ticketPeeked},
		{name: "putting again replaces", test: ticketReplaced},
		{name: "they expire", test: ticketExpires},
		{name: "values are bytes", test: ticketValues},
		{name: "an ended context is an error", test: ticketOfEndedContext},
	}
}

func (s *scene) putTicket(value string, age time.Duration) (id string) {
	s.t.Helper()
	id = rand.Text()
	s.check(s.Tickets.Put(s.t.Context(), id, []byte(value), age))
	return id
}

func (s *scene) noTicket(id string) {
	s.t.Helper()
	_, err := s.Tickets.Peek(s.t.Context(), id)
	s.expect(errors.Is(err, backplane.ErrNoTicket), "Peek: %v is not ErrNoTicket", err)
	_, err = s.Tickets.Take(s.t.Context(), id)
	s.expect(errors.Is(err, backplane.ErrNoTicket), "Take: %v is not ErrNoTicket", err)
}

func ticketTakenOnce(s *scene) {
	id, other := s.putTicket("value", time.Minute), s.putTicket("other", time.Minute)
	got, err := s.Tickets.Take(s.t.Context(), id)
	s.check(err)
	s.expect(string(got) == "value", "value %q, want %q", got, "value")
	s.noTicket(id)
	s.noTicket(rand.Text())
	got, err = s.Tickets.Take(s.t.Context(), other)
	s.check(err)
	s.expect(string(got) == "other", "value %q, want %q", got, "other")
}

func ticketTakenAtOnce(s *scene) {
	for range 20 {
		id := s.putTicket("value", time.Minute)
		var taken atomic.Int32
		s.together(8, func(int) error {
			switch got, err := s.Tickets.Take(s.t.Context(), id); {
			case err == nil && string(got) == "value":
				taken.Add(1)
			case !errors.Is(err, backplane.ErrNoTicket):
				return fmt.Errorf("value %q, error %w", got, err)
			}
			return nil
		})
		s.expect(taken.Load() == 1, "%d took the same ticket", taken.Load())
	}
}

func ticketPeeked(s *scene) {
	id := s.putTicket("value", time.Minute)
	for range 3 {
		got, err := s.Tickets.Peek(s.t.Context(), id)
		s.check(err)
		s.expect(string(got) == "value", "value %q, want %q", got, "value")
	}
	_, err := s.Tickets.Take(s.t.Context(), id)
	s.check(err)
}

func ticketReplaced(s *scene) {
	id := s.putTicket("first", time.Hour)
	s.check(s.Tickets.Put(s.t.Context(), id, []byte("second"), time.Second))
	got, err := s.Tickets.Peek(s.t.Context(), id)
	s.check(err)
	s.expect(string(got) == "second", "value %q, want %q", got, "second")
	s.pass(time.Second + margin)
	s.noTicket(id)
}

func ticketExpires(s *scene) {
	short, long := s.putTicket("short", time.Second), s.putTicket("long", time.Hour)
	s.pass(time.Second + margin)
	s.noTicket(short)
	_, err := s.Tickets.Take(s.t.Context(), long)
	s.check(err)
}

func ticketValues(s *scene) {
	for _, value := range [][]byte{{}, {0}, []byte("\r\n\x00\xff\u00e9"), bytes.Repeat([]byte("0123456789"), 1000)} {
		id := rand.Text()
		given := bytes.Clone(value)
		s.check(s.Tickets.Put(s.t.Context(), id, given, time.Minute))
		for i := range given {
			given[i]++ // it belongs to the caller again
		}
		got, err := s.Tickets.Take(s.t.Context(), id)
		s.check(err)
		s.expect(bytes.Equal(got, value), "value %q, want %q", got, value)
	}
}

func ticketOfEndedContext(s *scene) {
	id := s.putTicket("value", time.Minute)
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	err := s.Tickets.Put(ctx, id, nil, time.Minute)
	s.expect(errors.Is(err, context.Canceled), "Put: %v does not wrap context.Canceled", err)
	_, err = s.Tickets.Peek(ctx, id)
	s.expect(errors.Is(err, context.Canceled), "Peek: %v does not wrap context.Canceled", err)
	_, err = s.Tickets.Take(ctx, id)
	s.expect(errors.Is(err, context.Canceled), "Take: %v does not wrap context.Canceled", err)
	_, err = s.Tickets.Take(s.t.Context(), id)
	s.check(err)
}
