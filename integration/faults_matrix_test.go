package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/integration/history"
)

// backWithin is how soon delivery has to be back on a machine that does nothing else; busy is how often longer it may take on
// another.
const backWithin, busy = 5 * time.Second, 3

// result is a row of the matrix.
type result struct {
	fault    fault
	setting  string
	promised promise
	evidence string
	back     time.Duration
	verdict  history.Verdict
}

// Every fault in every setting in which it can be done. make faults writes docs/reference/faults.md from this, with more
// load.
func TestFaults(t *testing.T) {
	t.Parallel()
	load, soon := walking, busy*backWithin
	if reportDir() != "" {
		load, soon = brisk, backWithin
	}
	var page matrix
	for _, f := range faults() {
		for _, s := range settings() {
			promised, ok := f.in[s.name]
			if !ok {
				continue
			}
			t.Run(f.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, s, load)
				one := step{Fault: f.name, Millis: int(f.lasts.Milliseconds()), Node: min(1, s.nodes-1)}
				h := f.harm(w, one)
				require.NotEmpty(t, h.evidence, "it has done no harm")
				r := result{fault: f, setting: s.name, promised: promised, evidence: h.evidence, back: w.awaitBack(h.since)}
				r.verdict = w.settle()
				w.dismiss()
				t.Logf("%s; back after %v; %v", r.evidence, r.back.Round(time.Millisecond), r.verdict)
				requirePromise(t, r.promised, r.verdict)
				if !f.own {
					require.Less(t, r.back, soon, "delivery is back")
				}
				page.add(r)
			})
		}
	}
	t.Cleanup(func() { page.write(t) }) // when all rows are there
}

// requirePromise fails unless what was promised was kept.
func requirePromise(t *testing.T, p promise, v history.Verdict) {
	t.Helper()
	require.NotZero(t, v.Acknowledged)
	for name, found := range map[string]history.Findings{
		"missing": v.Missing, "out of order": v.Disordered, "doubled": v.Doubled, "foreign": v.Foreign, "absent": v.Absent,
	} {
		require.Zero(t, found.Count, "%s: %v", name, found.Examples)
	}
	if p != proven {
		require.Zero(t, v.Late.Count, "told late: %v", v.Late.Examples)
	}
	if p == kept || p == exact {
		require.Zero(t, v.GapsWrong, "gaps told although nothing was missing")
	}
	if p == kept {
		require.Zero(t, v.GapsRight, "gaps told")
	}
}

func settingNamed(t *testing.T, name string) setting {
	t.Helper()
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == name })
	require.GreaterOrEqual(t, i, 0, "there is no setting %q", name)
	return all[i]
}

func faultNamed(t *testing.T, name string) fault {
	t.Helper()
	all := faults()
	i := slices.IndexFunc(all, func(f fault) bool { return f.name == name })
	require.GreaterOrEqual(t, i, 0, "there is no fault %q", name)
	return all[i]
}

// row is a line of the matrix in the page.
func (r result) row() string {
	v := r.verdict
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f | %s |",
		r.setting, r.promised, v.Acknowledged, v.Refused, v.Missing.Count, v.Late.Count, v.Disordered.Count, v.Doubled.Count, v.Again,
		v.GapsRight, v.GapsWrong, r.back.Seconds(), r.evidence)
}
