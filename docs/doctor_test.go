package docs_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/doctor"
)

// The page explains each check that there is, in the order of the report.
func TestChecksOfTheDoctor(t *testing.T) {
	report, err := doctor.Run(t.Context(), doctor.DefaultConfig("http://127.0.0.1:1"))
	require.NoError(t, err)
	var checks []string
	for _, f := range report.Findings {
		checks = append(checks, f.Check)
	}
	rows := matches(regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|"), pages(t)["../docs/operations/doctor.md"])
	require.Equal(t, checks, rows)
}
