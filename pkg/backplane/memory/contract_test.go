package memory_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	backplanetest.Run(t, backplanetest.Factory{Open: open, Around: synctest.Test})
}

func open(t *testing.T, want backplanetest.Retention) *backplanetest.Harness {
	t.Helper()
	config := memory.DefaultConfig()
	if want.Length > 0 {
		config.RetentionLength = want.Length
	}
	if want.Age > 0 {
		config.RetentionAge = want.Age
	}
	if want.KeyAge > 0 {
		config.KeyAge = want.KeyAge
	}
	engine, err := memory.New(config)
	require.NoError(t, err)
	return &backplanetest.Harness{
		Backplane:    engine,
		Tickets:      engine,
		Signals:      engine,
		Capabilities: engine.Capabilities(),
		Close:        engine.Close,
	}
}
