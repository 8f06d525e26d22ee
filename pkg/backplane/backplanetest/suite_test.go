package backplanetest_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
)

// defectVariable names the defect that the engine of TestEngine has.
const defectVariable = "PUSHSTREAM_TEST_DEFECT"

// TestEngine runs the suite against the embedded engine, which has no defect unless TestSuiteNotices says so.
func TestEngine(t *testing.T) {
	var cause func(*backplanetest.Harness)
	if name := os.Getenv(defectVariable); name != "" {
		i := slices.IndexFunc(defects(), func(d defect) bool { return d.name == name })
		if i < 0 {
			t.Fatalf("there is no defect %q", name)
		}
		cause = defects()[i].cause
	}
	backplanetest.Run(t, backplanetest.Factory{
		Open: func(t *testing.T, want backplanetest.Retention) *backplanetest.Harness {
			t.Helper()
			h := open(t, want)
			if cause != nil {
				cause(h)
			}
			return h
		},
		Around: synctest.Test,
	})
}

// TestSuiteNotices proves that the suite can fail: it runs TestEngine with each defect, in a process of its own, and
// expects the case to fail whose promise is broken.
func TestSuiteNotices(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	failure := regexp.MustCompile(`(?m)^ *--- FAIL: TestEngine/(\S+)`)
	for _, d := range defects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestEngine$", "-test.timeout=30s")
			cmd.Env = append(os.Environ(), defectVariable+"="+d.name)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 { // 2 is a panic: the suite did not get to its end
				t.Fatalf("the suite ended with %v, want failures\n%.2000s", err, output)
			}
			var failed []string
			for _, match := range failure.FindAllStringSubmatch(string(output), -1) {
				failed = append(failed, strings.ReplaceAll(match[1], "_", " "))
			}
			if !slices.Contains(failed, d.noticed) {
				t.Errorf("case %q did not fail, but\n%s", d.noticed, strings.Join(failed, "\n"))
			}
		})
	}
}

// open returns the embedded engine.
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
	if err != nil {
		t.Fatal(err)
	}
	return &backplanetest.Harness{
		Backplane:    engine,
		Tickets:      engine,
		Signals:      engine,
		Capabilities: engine.Capabilities(),
		Close:        engine.Close,
	}
}
