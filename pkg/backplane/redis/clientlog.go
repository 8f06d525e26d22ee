package redis

import (
	"context"
	"fmt"
	"log/slog"

	goredis "github.com/redis/go-redis/v9"
)

// LogClient has what the Redis client itself reports logged, at level debug: errors that matter come back from calls, too.
// The client has one logger for the whole process; without this it writes to standard error.
func LogClient(log *slog.Logger) { goredis.SetLogger(clientLog{log}) }

type clientLog struct{ log *slog.Logger }

// Printf takes a report of the client's.
func (c clientLog) Printf(ctx context.Context, format string, args ...any) {
	c.log.DebugContext(ctx, "redis client", slog.String("report", fmt.Sprintf(format, args...)))
}
