package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	faultsPage = "faults.md"
	// runsFile has the record of all random schedules, a line for each.
	runsFile = "faults-runs.jsonl"
)

// reportDir is where pages are written that are made from runs; empty where none is wanted.
func reportDir() string { return os.Getenv("PUSHSTREAM_TEST_REPORT") }

// matrix collects the rows of a run. It is safe for concurrent use.
type matrix struct {
	mu   sync.Mutex
	rows []result
}

func (m *matrix) add(r result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, r)
}

// write puts the rows into the page, in the order of the catalogue.
func (m *matrix) write(t *testing.T) {
	t.Helper()
	if reportDir() == "" || t.Failed() {
		return
	}
	var out strings.Builder
	for _, f := range faults() {
		rows := m.of(f.name)
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&out, "### %s\n\n%s.\n\n", f.name, strings.ToUpper(f.does[:1])+f.does[1:])
		out.WriteString("| setting | promised | ack. | refused | lost | late | order | doubled | again | gaps right | gaps wrong | back, s | evidence |\n")
		out.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
		out.WriteString(strings.Join(rows, "\n") + "\n\n")
	}
	replaceSection(t, filepath.Join(reportDir(), faultsPage), "matrix", out.String())
	writeRuns(t)
}

// of returns the rows of a fault, in the order of the settings.
func (m *matrix) of(fault string) (rows []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range settings() {
		for _, r := range m.rows {
			if r.fault.name == fault && r.setting == s.name {
				rows = append(rows, r.row())
			}
		}
	}
	return rows
}

// replaceSection replaces what is between two marks of a page.
func replaceSection(t *testing.T, path, name, text string) {
	t.Helper()
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	head, tail := cutSection(t, string(page), name)
	require.NoError(t, os.WriteFile(path, []byte(head+text+tail), 0o600))
}

// cutSection returns what is before and behind a section of a page, with its marks.
func cutSection(t *testing.T, page, name string) (head, tail string) {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n\n", "<!-- "+name+": end -->"
	from, to := strings.Index(page, begin), strings.Index(page, end)
	require.Positive(t, from, "the page has no %s", begin)
	require.Greater(t, to, from)
	return page[:from+len(begin)], page[to:]
}

// The page has what the catalogue has, and figures that are as promised.
func TestFaultsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "reference", faultsPage))
	require.NoError(t, err)
	head, tail := cutSection(t, string(text), "matrix")
	shown := strings.TrimSuffix(strings.TrimPrefix(string(text), head), tail)
	rows := regexp.MustCompile(`(?m)^\| ([A-Za-z, ]+) \| ([a-z ]+) \| (\d+) \| \d+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| \d+ \| (\d+) \| (\d+) \| ([0-9.]+) \| .+ \|$`)
	for _, f := range faults() {
		_, part, found := strings.Cut(shown, "### "+f.name+"\n")
		require.True(t, found, "the page has no %q: make faults", f.name)
		part, _, _ = strings.Cut(part, "### ")
		var inPage []string
		for _, m := range rows.FindAllStringSubmatch(part, -1) {
			inPage = append(inPage, m[1])
			require.Equal(t, string(f.in[m[1]]), m[2], "%s in %s", f.name, m[1])
			require.NotEqual(t, "0", m[3])
			require.Equal(t, "0 0 0", m[4]+" "+m[6]+" "+m[7], "lost, order, doubled: %s in %s", f.name, m[1])
			back, err := strconv.ParseFloat(m[10], 64)
			require.NoError(t, err)
			require.True(t, f.own || back <= backWithin.Seconds(), "%s in %s is back after %v s", f.name, m[1], back)
		}
		var wanted []string
		for _, s := range settings() {
			if _, ok := f.in[s.name]; ok {
				wanted = append(wanted, s.name)
			}
		}
		require.Equal(t, wanted, inPage, "settings of %q: make faults", f.name)
	}
}

// The sums of the runs on the page are those of their record.
func TestFaultsPageHasTheRuns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "docs", "reference")
	text, err := os.ReadFile(filepath.Join(dir, faultsPage))
	require.NoError(t, err)
	require.Contains(t, string(text), runsSummary(t, dir))
}

// writeRuns puts the sums of all runs on the page.
func writeRuns(t *testing.T) {
	t.Helper()
	replaceSection(t, filepath.Join(reportDir(), faultsPage), "runs", runsSummary(t, reportDir()))
}

// runsSummary adds up the record of runs, by setting.
func runsSummary(t *testing.T, dir string) string {
	t.Helper()
	record, err := os.ReadFile(filepath.Join(dir, runsFile))
	require.NoError(t, err)
	var all run
	sums := make(map[string]*run)
	runs, kept := make(map[string]int), make(map[string]int)
	for line := range strings.Lines(string(record)) {
		var r run
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if sums[r.Setting] == nil {
			sums[r.Setting] = new(run)
		}
		sums[r.Setting].add(r)
		all.add(r)
		for _, name := range []string{r.Setting, "all"} {
			runs[name]++
			if r.Kept {
				kept[name]++
			}
		}
	}
	var out strings.Builder
	out.WriteString("| setting | runs | passed | minutes | faults | acknowledged | refused | delivered | lost | late | order | doubled | again | gaps right | gaps wrong |\n")
	out.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	line := func(name string, r run) {
		fmt.Fprintf(&out, "| %s | %d | %d | %.0f | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", name, runs[name], kept[name], float64(r.Seconds)/60, r.Faults,
			r.Acknowledged, r.Refused, r.Delivered, r.Missing, r.Late, r.Disordered, r.Doubled, r.Again, r.GapsRight, r.GapsWrong)
	}
	for _, s := range settings() {
		if r := sums[s.name]; r != nil {
			line(s.name, *r)
		}
	}
	line("all", all)
	out.WriteString("\n")
	return out.String()
}

// add adds the figures of another run.
func (r *run) add(o run) {
	r.Seconds += o.Seconds
	r.Faults += o.Faults
	r.Acknowledged += o.Acknowledged
	r.Refused += o.Refused
	r.Delivered += o.Delivered
	r.Missing += o.Missing
	r.Late += o.Late
	r.Disordered += o.Disordered
	r.Doubled += o.Doubled
	r.Again += o.Again
	r.GapsRight += o.GapsRight
	r.GapsWrong += o.GapsWrong
}
