package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// Put keeps a value under id.
func (e *Engine) Put(ctx context.Context, id string, value []byte, age time.Duration) error {
	if e.isClosed() {
		return fmt.Errorf("put ticket: %w", backplane.ErrClosed)
	}
	err := e.servers.commands.Set(ctx, e.ticket(id), value, max(age, time.Millisecond)).Err()
	if err != nil {
		return fmt.Errorf("put ticket: %w", e.outcome(ctx, err))
	}
	return nil
}

// Peek returns a value without using it up.
func (e *Engine) Peek(ctx context.Context, id string) ([]byte, error) {
	return e.value(ctx, "peek at ticket", func() *goredis.StringCmd { return e.servers.commands.Get(ctx, e.ticket(id)) })
}

// Take returns a value and forgets it.
func (e *Engine) Take(ctx context.Context, id string) ([]byte, error) {
	return e.value(ctx, "take ticket", func() *goredis.StringCmd { return e.servers.commands.GetDel(ctx, e.ticket(id)) })
}

func (e *Engine) value(ctx context.Context, doing string, do func() *goredis.StringCmd) ([]byte, error) {
	if e.isClosed() {
		return nil, fmt.Errorf("%s: %w", doing, backplane.ErrClosed)
	}
	value, err := do().Bytes()
	switch {
	case errors.Is(err, goredis.Nil):
		return nil, fmt.Errorf("%s: %w", doing, backplane.ErrNoTicket)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", doing, e.outcome(ctx, err))
	default:
		return value, nil
	}
}

func (e *Engine) ticket(id string) string { return e.config.Prefix + ":" + layout + ":ticket:" + id }
