package backplanetest

import (
	"testing"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// Factory makes the engines that the suite tests.
type Factory struct {
	// Open returns an engine on an empty store, with a retention as wished. The suite closes it.
	Open func(t *testing.T, want Retention) *Harness
	// Around runs one test of the suite, by calling it with a t of its own: testing/synctest.Test, for an engine that
	// lives within one process, saves all the waiting. Nil just calls the test.
	Around func(t *testing.T, test func(t *testing.T))
}

// Retention is what a test needs an engine to be set to. A zero field leaves it to the engine, with an hour or more for
// the ages and 200 or more for the length.
type Retention struct {
	// Length is the most entries that a log keeps.
	Length int
	// Age is how long a log is kept after its last append.
	Age time.Duration
	// KeyAge is how long a publication's key is remembered, at least.
	KeyAge time.Duration
}

// Harness is an engine under test, and what its own tests can do to it.
type Harness struct {
	// Backplane is the engine.
	Backplane backplane.Backplane
	// Tickets is the engine's store of tickets.
	Tickets backplane.Tickets
	// Signals reaches all nodes of the engine's store.
	Signals backplane.Signals
	// Capabilities is what the engine says of itself.
	Capabilities backplane.Capabilities
	// Close closes the engine. It may be called again.
	Close func()
	// Interrupt breaks the relay under a Run that goes on, and returns once nothing is passed on any more: what is
	// published then never comes through the relay. The returned function lets the relay come back, and need not wait for
	// it. Where Interrupt is nil the suite stops Run and starts it again.
	Interrupt func(t *testing.T) (restore func())
	// Restart makes the store lose everything and returns what has come back: the same engine, where it outlives its
	// store, or another one. Where Restart is nil the suite calls Open again.
	Restart func(t *testing.T) *Harness
}

// Run tests the engines of a factory against the contract of package backplane: one subtest for each promise, with one
// below for each case of it.
func Run(t *testing.T, engines Factory) {
	t.Helper()
	if engines.Around == nil {
		engines.Around = func(t *testing.T, test func(t *testing.T)) {
			t.Helper()
			test(t)
		}
	}
	for _, p := range promises() {
		t.Run(p.name, func(t *testing.T) {
			for _, c := range p.cases {
				t.Run(c.name, func(t *testing.T) {
					engines.Around(t, func(t *testing.T) {
						t.Helper()
						c.test(newScene(t, engines, c.want))
					})
				})
			}
		})
	}
}

// promise is one part of the contract.
type promise struct {
	name  string
	cases []testCase
}

type testCase struct {
	name string
	want Retention
	test func(s *scene)
}

func promises() []promise {
	return []promise{
		{"results", resultCases()},
		{"head", headCases()},
		{"order", orderCases()},
		{"chain", chainCases()},
		{"replay", replayCases()},
		{"gaps", gapCases()},
		{"join", joinCases()},
		{"doubt", doubtCases()},
		{"progress", progressCases()},
		{"keys", keyCases()},
		{"live only", liveCases()},
		{"tenants", tenantCases()},
		{"tickets", ticketCases()},
		{"signals", signalCases()},
		{"life", lifeCases()},
	}
}
