package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

const runbook = root + "/docs/operations/runbook.md"

// commandPages are the pages whose commands have to exist.
func commandPages() []string {
	return []string{runbook, tokensPage, root + "/docs/concepts/threats.md", root + "/SECURITY.md"}
}

func TestEveryAlertHasAHeadingInTheRunbook(t *testing.T) {
	text, err := os.ReadFile(root + "/deploy/prometheus/rules.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	headings := matches(regexp.MustCompile(`(?m)^## (.*)$`), pages(t)[runbook])
	some := false
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			require.Contains(t, headings, rule.Alert)
			some = true
		}
	}
	require.True(t, some)
	for _, heading := range headings {
		if strings.HasPrefix(heading, "PushStream") {
			require.Contains(t, string(text), "alert: "+heading+"\n", "there is no such alert")
		}
	}
}

// A command that a page names is one that pushstreamd's own help lists, and so is each flag of it.
func TestCommandsExist(t *testing.T) {
	bin := build(t)
	help := func(path ...string) string {
		text, err := exec.CommandContext(t.Context(), bin, append([]string{"help"}, path...)...).CombinedOutput()
		require.NoError(t, err, string(text))
		return string(text)
	}
	for _, page := range commandPages() {
		for _, named := range matches(regexp.MustCompile("`pushstreamd ([^`]+)`"), pages(t)[page]) {
			var path []string
			for word := range strings.FieldsSeq(named) {
				commands := listed(help(path...))
				if len(commands) == 0 || !regexp.MustCompile(`^[a-z]+$`).MatchString(word) {
					break // what follows is an argument
				}
				require.Contains(t, commands, word, "%s: pushstreamd %s", page, named)
				path = append(path, word)
			}
			require.NotEmpty(t, path, named)
			for _, flag := range matches(regexp.MustCompile(`(--[a-z][a-z-]*)`), named) {
				require.Regexp(t, regexp.QuoteMeta(flag)+`\b`, help(path...), "%s: pushstreamd %s", page, named)
			}
		}
	}
}

// listed returns the commands that a help text lists.
func listed(help string) []string {
	_, block, _ := strings.Cut(help, "\nAvailable Commands:\n")
	block, _, _ = strings.Cut(block, "\n\n")
	return matches(regexp.MustCompile(`(?m)^  ([a-z]+) `), block)
}

// The metrics that the runbook names, whole or by a part of their names, are there.
func TestMetricsOfTheRunbookExist(t *testing.T) {
	contract, err := os.ReadFile(root + "/internal/metrics/testdata/metrics.txt")
	require.NoError(t, err)
	page := pages(t)[runbook]
	named := append(matches(regexp.MustCompile("`(pushstream_[a-z_]+[a-z])`"), page), matches(regexp.MustCompile("`metrics ([a-z_]+)`"), page)...)
	require.Greater(t, len(named), 10)
	for _, metric := range named {
		require.Contains(t, string(contract), metric)
	}
}

// What the log says is in the code, and so are the codes and reasons that are looked for.
func TestWordsOfTheRunbookAreThoseOfTheReference(t *testing.T) {
	page := pages(t)[runbook]
	var source strings.Builder
	for _, folder := range []string{"internal", "pkg"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				var text []byte
				text, err = os.ReadFile(path)
				source.Write(text)
			}
			return err
		}))
	}
	words := slices.Concat(
		matches(regexp.MustCompile("log(?:, |: )`([^`]+)`"), page),
		matches(regexp.MustCompile("(?m)^\\| `([a-z]+_[a-z_]+|trimmed|expired|lost|gone|stalled|draining|stopped)`"), page),
	)
	require.Greater(t, len(words), 15)
	for _, word := range words {
		if strings.HasPrefix(word, "go_") || strings.HasPrefix(word, "pushstream_") {
			continue // of Go's own, or metrics
		}
		require.Contains(t, source.String(), `"`+word+`"`)
	}
}

// Whoever doubts a row of the threats can run what shows it.
func TestThreatsNameTests(t *testing.T) {
	tests := make(map[string]bool)
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			for _, name := range matches(regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`), string(text)) {
				folder, _ := filepath.Rel(root, filepath.Dir(path))
				tests[folder+": "+name] = true
			}
		}
		return err
	}))
	rows := regexp.MustCompile(`(?m)^\| (.*) \|$`).FindAllStringSubmatch(pages(t)[root+"/docs/concepts/threats.md"], -1)
	some := 0
	for _, row := range rows {
		cells := strings.Split(row[1], " | ")
		if len(cells) != 5 || cells[4] == "shown by" {
			continue
		}
		named := regexp.MustCompile("(\\S+): ((?:`\\w+`(?:, )?)+)").FindAllStringSubmatch(cells[4], -1)
		require.NotEmpty(t, named, row[1])
		for _, m := range named {
			for _, name := range matches(regexp.MustCompile("`(\\w+)`"), m[2]) {
				require.True(t, tests[m[1]+": "+name], "%s has no %s", m[1], name)
				some++
			}
		}
	}
	require.Greater(t, some, 20)
}
