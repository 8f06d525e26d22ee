package redis_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
)

func TestMain(m *testing.M) {
	redis.LogClient(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(redistest.Main(m))
}
