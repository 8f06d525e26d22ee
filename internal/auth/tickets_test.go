package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
)

// A ticket stands for all of the principal, once, on any node.
func TestTicketsOfTwoNodes(t *testing.T) {
	w := newWorld(t, simple())
	store := newStore(t)
	var nodes [2]*auth.Tokens
	for i := range nodes {
		node, err := auth.New(simple(), store, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		node.SetClock(w.clock.now)
		nodes[i] = node
	}
	token := w.token(t, map[string]any{"pushstream": map[string]any{"subscribe": []string{"topic:*"}, "publish": []string{"all"}}})
	p, err := nodes[0].TicketHolder(requestOf(t, http.MethodPost, "/tickets", bearer(token)...))
	require.NoError(t, err)
	id, _, err := nodes[0].Ticket(t.Context(), p)
	require.NoError(t, err)
	require.Regexp(t, `^[A-Z2-7]{26}$`, id)
	value, err := store.Peek(t.Context(), id)
	require.NoError(t, err)
	for part := range strings.SplitSeq(token, ".") {
		require.NotContains(t, string(value), part, "the store gets no tokens")
	}

	for _, node := range nodes {
		q, headErr := node.Reader(requestOf(t, http.MethodHead, "/events?ticket="+id))
		require.NoError(t, headErr, "HEAD looks only")
		require.Equal(t, p, q)
	}
	q, err := nodes[1].Reader(get(t, "/events?ticket="+id))
	require.NoError(t, err)
	require.Equal(t, p, q)
	for _, node := range nodes {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			_, err = node.Reader(requestOf(t, method, "/events?ticket="+id))
			requireOnly(t, auth.ErrTicket, err)
		}
	}
	for _, by := range []func(*http.Request) (auth.Principal, error){nodes[0].TicketHolder, nodes[0].Publisher} {
		id, _, err = nodes[0].Ticket(t.Context(), p)
		require.NoError(t, err)
		_, err = by(requestOf(t, http.MethodPost, "/events?ticket="+id))
		requireOnly(t, auth.ErrNoToken, err)
		_, err = store.Peek(t.Context(), id)
		require.NoError(t, err)
	}
}

func TestTicketsForOneOfMany(t *testing.T) {
	w := newWorld(t, simple())
	p, err := w.Verify(t.Context(), w.token(t, nil))
	require.NoError(t, err)
	id, _, err := w.Ticket(t.Context(), p)
	require.NoError(t, err)
	var served atomic.Int32
	done := make(chan error)
	for range 20 {
		r := get(t, "/events?ticket="+id)
		go func() { // joined by done
			_, err := w.Reader(r)
			if err == nil {
				served.Add(1)
			} else if !errors.Is(err, auth.ErrTicket) {
				done <- err
				return
			}
			done <- nil
		}()
	}
	for range 20 {
		require.NoError(t, <-done)
	}
	require.Equal(t, int32(1), served.Load())
}

func TestTicketsThatAreNone(t *testing.T) {
	w := newWorld(t, simple())
	p, err := w.Verify(t.Context(), w.token(t, nil))
	require.NoError(t, err)
	id, _, err := w.Ticket(t.Context(), p)
	require.NoError(t, err)
	_, err = w.Reader(get(t, "/events?ticket="+id+"&ticket="+id))
	requireOnly(t, auth.ErrTicket, err)
	_, err = w.Reader(get(t, "/events?ticket="+strings.ToLower(id)))
	requireOnly(t, auth.ErrTicket, err)
	_, err = w.Reader(get(t, "/events?ticket="+id))
	require.NoError(t, err, "it was not used up")
	for _, query := range []string{
		"ticket=", "ticket=x", "ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ticket=abcdefghijklmnopqrstuvwxyz", "ticket=ABCDEFGHIJKLMNOPQRSTUVWX%0A%0D",
		"ticket=ABCDEFGHIJKLMNOPQRSTUVWXY1", "ticket=" + strings.Repeat("A", 10_000), "ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ&ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ticket=*",
	} {
		_, err = w.Reader(get(t, "/events?"+query))
		requireOnly(t, auth.ErrTicket, err)
	}
}

func TestTicketsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node, err := auth.New(simple(), newStore(t), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		mint := func(age time.Duration) string {
			t.Helper()
			token, mintErr := auth.Mint(secretText, auth.MintClaims{User: "alice", Age: age})
			require.NoError(t, mintErr)
			p, mintErr := node.Reader(get(t, "/events", bearer(token)...))
			require.NoError(t, mintErr)
			id, _, mintErr := node.Ticket(t.Context(), p)
			require.NoError(t, mintErr)
			return id
		}
		late, soon := mint(time.Hour), mint(time.Hour)
		time.Sleep(30*time.Second - 1) //nolint:forbidigo // the bubble's clock
		_, err = node.Reader(get(t, "/events?ticket="+soon))
		require.NoError(t, err)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the bubble's clock
		_, err = node.Reader(get(t, "/events?ticket="+late))
		requireOnly(t, auth.ErrTicket, err)
	})
}

// The principal's own time goes on while its ticket waits.
func TestTicketOfATokenThatExpires(t *testing.T) {
	cfg := simple()
	cfg.ClockSkew = 0
	w := newWorld(t, cfg)
	p, err := w.Verify(t.Context(), w.token(t, map[string]any{"exp": w.clock.now().Add(10 * time.Second).Unix()}))
	require.NoError(t, err)
	id, _, err := w.Ticket(t.Context(), p)
	require.NoError(t, err)
	w.clock.pass(9 * time.Second)
	q, err := w.Reader(requestOf(t, http.MethodHead, "/events?ticket="+id))
	require.NoError(t, err)
	require.Equal(t, p.Expires, q.Expires, "its stream ends with the token")
	w.clock.pass(time.Second)
	_, err = w.Reader(get(t, "/events?ticket="+id))
	requireOnly(t, auth.ErrExpired, err)
}

// Tickets of nodes that are configured otherwise do not count, above all those of development mode.
func TestForeignTickets(t *testing.T) {
	store := newStore(t)
	node, err := auth.New(simple(), store, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	d := auth.NewDevelopment(true, nil, store)
	p, err := d.Reader(get(t, "/events?user=alice"))
	require.NoError(t, err)
	id, _, err := d.Ticket(t.Context(), p)
	require.NoError(t, err)
	_, err = node.Reader(get(t, "/events?ticket="+id))
	requireOnly(t, auth.ErrTicket, err)

	for _, value := range []string{
		"", "{", "null", `{}`, `{"tenant":"a b","issuer":"pushstream"}`, `{"tenant":"default","issuer":"other","expires":"2999-01-01T00:00:00Z"}`,
		`{"tenant":"default","issuer":"pushstream"}`, `{"tenant":"default","user":"*","issuer":"pushstream","expires":"2999-01-01T00:00:00Z"}`,
		`{"tenant":"default","session":" ","issuer":"pushstream","expires":"2999-01-01T00:00:00Z"}`,
		`{"tenant":"default","subscribe":["a*"],"issuer":"pushstream","expires":"2999-01-01T00:00:00Z"}`,
	} {
		const id = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		require.NoError(t, store.Put(t.Context(), id, []byte(value), time.Minute))
		_, err = node.Reader(get(t, "/events?ticket="+id))
		require.Error(t, err, value)
		require.True(t, errors.Is(err, auth.ErrTicket) || errors.Is(err, auth.ErrExpired), "%s: %v", value, err)
	}
}

// away is a store that cannot be reached.
type away struct{}

func (away) Put(context.Context, string, []byte, time.Duration) error {
	return backplane.ErrUnavailable
}

func (away) Peek(context.Context, string) ([]byte, error) { return nil, backplane.ErrUnavailable }

func (away) Take(context.Context, string) ([]byte, error) { return nil, backplane.ErrUnavailable }

func TestTicketsWithoutTheirStore(t *testing.T) {
	node, err := auth.New(simple(), away{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, _, err = node.Ticket(t.Context(), principal(t, "alice", ""))
	require.ErrorIs(t, err, backplane.ErrUnavailable)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		_, err = node.Reader(requestOf(t, method, "/events?ticket=ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		require.ErrorIs(t, err, backplane.ErrUnavailable)
		require.NotErrorIs(t, err, auth.ErrTicket, "it may be a good one")
	}
	_, err = node.Reader(get(t, "/events?ticket=abcdefghijklmnopqrstuvwxyz"))
	requireOnly(t, auth.ErrTicket, err) // the store is not asked for what can be none
	_, _, err = auth.Development{}.Ticket(t.Context(), principal(t, "alice", ""))
	require.ErrorIs(t, err, backplane.ErrUnavailable)
}

// A ticket of a token that ends sooner says so.
func TestATicketIsGoodNoLongerThanItsToken(t *testing.T) {
	cfg := simple()
	cfg.ClockSkew = 0
	w := newWorld(t, cfg)
	p, err := w.Verify(t.Context(), w.token(t, map[string]any{"exp": w.clock.now().Add(9 * time.Second).Unix()}))
	require.NoError(t, err)
	_, age, err := w.Ticket(t.Context(), p)
	require.NoError(t, err)
	require.LessOrEqual(t, age, 9*time.Second)
	require.Greater(t, age, 7*time.Second)
	w.clock.pass(9 * time.Second)
	_, _, err = w.Ticket(t.Context(), p)
	requireOnly(t, auth.ErrExpired, err)
}
