package redistest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }
