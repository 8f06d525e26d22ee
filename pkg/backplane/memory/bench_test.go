package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

// BenchmarkPublish appends to a full log and passes on.
func BenchmarkPublish(b *testing.B) {
	engine, err := memory.New(memory.DefaultConfig())
	require.NoError(b, err)
	_, err = engine.Join(b.Context(), []event.LogName{log("a")})
	require.NoError(b, err)
	require.NoError(b, engine.Begin(nothing{}))
	publications := []backplane.Publication{{Tenant: event.DefaultTenant(), Targets: []event.Target{log("a").Target}, Event: sized(512)}}
	b.ReportAllocs()
	for b.Loop() {
		engine.Publish(b.Context(), publications)
	}
}

// nothing is a sink for which nothing matters.
type nothing struct{}

func (nothing) Relay(backplane.Entry)                        {}
func (nothing) Doubt(backplane.Partition, string)            {}
func (nothing) Vouched(backplane.Partition, event.Position)  {}
func (nothing) Signal(backplane.Partition, []byte)           {}
func (nothing) Progress(backplane.Partition, event.Position) {}
