package integration_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// schedule is what is done to a deployment, one fault after the other. It is data: the same schedule does the same harm.
type schedule struct {
	Seed    uint64 `json:"seed"`
	Setting string `json:"setting"`
	Steps   []step `json:"steps"`
}

// longest is how long a schedule may be: what a run keeps in memory grows with it.
const longest = 100 * time.Second

// randomSchedule returns the schedule of a seed, of about that length. Those of even seeds have only faults of which nobody
// is to notice anything, so that every gap is a wrong one.
func randomSchedule(seed uint64, length time.Duration) schedule {
	random := rand.New(rand.NewPCG(seed, 1))
	names := []string{"always", "everysec", "memory", "links", "nginx", "haproxy", "sentinel", "sentinel, level replica", "cluster", "cluster, level replica"}
	s := schedule{Seed: seed, Setting: names[seed/2%uint64(len(names))]}
	var possible []fault
	for _, f := range faults() {
		p, ok := f.in[s.Setting]
		if ok && !f.alone && (seed%2 == 1 || p == kept) {
			possible = append(possible, f)
		}
	}
	for took := time.Duration(0); took < length; {
		f := possible[random.IntN(len(possible))]
		lasts := time.Duration(float64(f.lasts) * (0.5 + random.Float64()))
		s.Steps = append(s.Steps, step{Fault: f.name, Node: random.IntN(3), Millis: int(lasts.Milliseconds())})
		took += lasts + f.costs + time.Second
	}
	return s
}

// String is what is to be passed on to have the same again.
func (s schedule) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// run is a line of the record of random schedules.
type run struct {
	Commit  string `json:"commit"`
	Seed    uint64 `json:"seed"`
	Setting string `json:"setting"`
	Seconds int    `json:"seconds"`
	// Faults are those that did harm.
	Faults       int     `json:"faults"`
	Acknowledged int     `json:"acknowledged"`
	Refused      int     `json:"refused"`
	Delivered    int     `json:"delivered"`
	Missing      int     `json:"missing"`
	Late         int     `json:"told_late"`
	Disordered   int     `json:"out_of_order"`
	Doubled      int     `json:"doubled"`
	Again        int     `json:"again"`
	GapsRight    int     `json:"gaps_right"`
	GapsWrong    int     `json:"gaps_wrong"`
	Promised     promise `json:"promised"`
	// Slowest is the longest time until delivery was back after a fault.
	Slowest float64 `json:"slowest_back_s"`
	Kept    bool    `json:"kept"`
}

// Random schedules under load, as many as there is time for: make chaos SECONDS=600 SEED=1. A schedule that fails is
// printed; SCHEDULE='...' make chaos does it again. Without all of that it is a short one, always the same.
func TestRandomFaults(t *testing.T) {
	if text := os.Getenv("PUSHSTREAM_TEST_SCHEDULE"); text != "" {
		var s schedule
		require.NoError(t, json.Unmarshal([]byte(text), &s), "SCHEDULE is what a failed run has printed")
		suffers(t, s)
		return
	}
	total := time.Duration(seconds(t, 15)) * time.Second
	seed := uint64(2)
	if text := os.Getenv("PUSHSTREAM_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "SEED is a number")
	}
	for began := time.Now(); time.Since(began) < total && !t.Failed(); seed++ {
		s := randomSchedule(seed, min(longest, total))
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) { suffers(t, s) })
	}
}

// suffers does what a schedule says, and fails unless the promise was kept all the time.
func suffers(t *testing.T, s schedule) {
	t.Helper()
	r := run{Seed: s.Seed, Setting: s.Setting, Promised: kept}
	began := time.Now()
	defer func() {
		r.Seconds, r.Kept = int(time.Since(began).Seconds()), !t.Failed()
		if t.Failed() {
			t.Logf("to have it again: SCHEDULE='%s' make chaos", s)
		}
		r.record(t)
	}()
	load := running
	if os.Getenv("PUSHSTREAM_TEST_SECONDS") == "" {
		load = brisk
	}
	w := newWorld(t, settingNamed(t, s.Setting), load)
	primary, planned := w.store.server(), false
	for _, one := range s.Steps {
		f := faultNamed(t, one.Fault)
		require.Contains(t, f.in, s.Setting, "%s cannot be done in the setting %q", f.name, s.Setting)
		require.True(t, one.Node >= 0 && one.Node < len(w.nodes), "there is no node %d: the first one is 0", one.Node)
		planned = planned || f.in[s.Setting] == proven || f.in[s.Setting] == told
		at := w.Now()
		h := f.harm(w, one)
		back := w.awaitBack(h.since)
		t.Logf("%6.1fs %s, node %d, %d ms: %s; back after %v", at.Seconds(), one.Fault, one.Node, one.Millis, h.evidence, back.Round(time.Millisecond))
		if h.evidence == "" {
			continue
		}
		r.Faults++
		r.Promised = weaker(r.Promised, f.in[s.Setting])
		r.Slowest = max(r.Slowest, back.Round(time.Millisecond).Seconds())
	}
	if !planned && w.store.server() != primary {
		// Sentinels and masters take a server for dead that a busy machine has not let answer for a second.
		t.Log("there was a failover besides")
		r.Promised = weaker(r.Promised, proven)
	}
	v := w.settle()
	w.dismiss()
	t.Logf("%d faults in %s: %v", r.Faults, s.Setting, v)
	r.Acknowledged, r.Refused, r.Delivered, r.Again = v.Acknowledged, v.Refused, v.Delivered, v.Again
	r.Missing, r.Late, r.Disordered, r.Doubled = v.Missing.Count, v.Late.Count, v.Disordered.Count, v.Doubled.Count
	r.GapsRight, r.GapsWrong = v.GapsRight, v.GapsWrong
	requirePromise(t, r.Promised, v)
}

// weaker returns what is promised of two faults together.
func weaker(a, b promise) promise {
	order := []promise{kept, exact, told, proven}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// record appends a run to the file of all runs, if a report is wanted.
func (r *run) record(t *testing.T) {
	t.Helper()
	if reportDir() == "" {
		return
	}
	commit, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--short=12", "HEAD").Output()
	require.NoError(t, err)
	r.Commit = strings.TrimSpace(string(commit))
	line, err := json.Marshal(r)
	require.NoError(t, err)
	file, err := os.OpenFile(filepath.Join(reportDir(), runsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = file.Write(append(line, '\n'))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	writeRuns(t)
}
