package prometheus_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// rule is an alert of rules.yml.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("rules.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestEveryMetricExists(t *testing.T) {
	contract, err := os.ReadFile("../../internal/metrics/testdata/metrics.txt")
	require.NoError(t, err)
	for _, r := range rules(t) {
		named := regexp.MustCompile(`\bpushstream_[a-z_]+\b`).FindAllString(r.Expr, -1)
		require.NotEmpty(t, named, r.Alert)
		for _, metric := range named {
			require.Contains(t, string(contract), " "+metric+": ", r.Alert)
		}
	}
}

// The words of labels are explained in the reference, which the tests of the metrics hold to the code.
func TestEveryLabelExists(t *testing.T) {
	reference, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	for _, r := range rules(t) {
		for _, label := range regexp.MustCompile(`\{(\w+)="(\w+)"\}`).FindAllStringSubmatch(r.Expr, -1) {
			require.Contains(t, string(reference), "by `"+label[1]+"`", r.Alert)
			require.Contains(t, string(reference), "`"+label[2]+"`", r.Alert)
		}
	}
}

func TestEveryAlertIsExplained(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operations/redis.md")
	require.NoError(t, err)
	for _, r := range rules(t) {
		require.Contains(t, string(guide), "| `"+r.Alert+"` |")
		require.NotEmpty(t, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
	}
}

// Prometheus itself reads the rules, and sees them fire and not fire.
func TestPrometheusTakesTheRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	require.NoError(t, err, "scripts/setup promtool")
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		text, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		require.NoError(t, err, string(text))
	}
}
