package docs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
)

const (
	root      = ".."
	readme    = root + "/README.md"
	maxReadme = 150
)

// pages returns the text of every Markdown file of the repository, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			found[path] = string(text)
			return err
		}
		return nil
	}))
	require.Contains(t, found, readme)
	require.Greater(t, len(found), 10)
	return found
}

// matches returns the first group of every match in a text.
func matches(re *regexp.Regexp, text string) []string {
	var found []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// prose returns a page without its code blocks.
func prose(text string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(text, "")
}

func TestReadmeIsShortAndNamesTheTwoCommands(t *testing.T) {
	text := pages(t)[readme]
	require.Contains(t, text, "git clone https://github.com/pushstream/pushstream\ncd pushstream\nmake run\n")
	require.LessOrEqual(t, strings.Count(text, "\n"), maxReadme)
	require.Contains(t, text, "\nmake test\n")
}

func TestMakeTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	require.NoError(t, err)
	targets := matches(regexp.MustCompile(`(?m)^([a-z-]+):`), string(makefile))
	named := regexp.MustCompile("(?m)(?:`|^(?:[A-Z_]+=\\S+ )*)make ([a-z-]+)")
	some := false
	for path, text := range pages(t) {
		for _, target := range matches(named, text) {
			require.Contains(t, targets, target, path)
			some = true
		}
	}
	require.True(t, some)
}

func TestLinksResolve(t *testing.T) {
	all := pages(t)
	for path, text := range all {
		for _, link := range matches(regexp.MustCompile(`\]\(([^)\s]+)\)`), prose(text)) {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			at := path
			if file != "" {
				at = filepath.Join(filepath.Dir(path), file)
			}
			_, err := os.Stat(at)
			require.NoError(t, err, "%s links to %s", path, link)
			if anchor != "" {
				require.Contains(t, anchors(all[at]), anchor, "%s links to %s", path, link)
			}
		}
	}
}

// anchors returns the names by which a page's headings are linked to.
func anchors(text string) []string {
	var names []string
	for _, heading := range matches(regexp.MustCompile(`(?m)^#+ (.*)$`), prose(text)) {
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

func TestEveryPageIsInTheIndex(t *testing.T) {
	all := pages(t)
	index := all["../docs/README.md"]
	for path := range all {
		if page, isDocs := strings.CutPrefix(path, "../docs/"); isDocs && page != "README.md" {
			require.Contains(t, index, "]("+page+")")
		}
	}
}

func TestSettingsExist(t *testing.T) {
	var reference bytes.Buffer
	require.NoError(t, config.WriteReference(&reference))
	row := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| `([A-Z_]+)` \\| `(--[a-z-]+)` \\|")
	known := []string{"PUSHSTREAM_CONFIG", "PUSHSTREAM_TEST_", "PUSHSTREAM_BENCH_", "PUSHSTREAM_TEST_REDIS_SERVER", "PUSHSTREAM_TEST_SECONDS", "PUSHSTREAM_TEST_REDIS_URL", "PUSHSTREAM_", "--config"}
	var groups []string
	for _, m := range row.FindAllStringSubmatch(reference.String(), -1) {
		known = append(known, m[1:]...)
		if group, _, nested := strings.Cut(m[1], "."); nested && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	require.NotEmpty(t, groups)
	for _, named := range []*regexp.Regexp{
		regexp.MustCompile(fmt.Sprintf("`((?:%s)\\.[a-z_]+)[`:]", strings.Join(groups, "|"))),
		regexp.MustCompile(`\b(PUSHSTREAM_[A-Z_]*)`),
		regexp.MustCompile(`pushstreamd(?: serve)? (--[a-z-]+)`),
	} {
		some := false
		for path, text := range pages(t) {
			for _, name := range matches(named, text) {
				require.Contains(t, known, name, path)
				some = true
			}
		}
		require.True(t, some, named)
	}
}

func TestProblemCodesAreThoseOfTheAPI(t *testing.T) {
	api, err := os.ReadFile(root + "/api/openapi.yaml")
	require.NoError(t, err)
	var want []string
	for _, enum := range matches(regexp.MustCompile(`enum:\n((?: +- \w+\n)+)`), string(api)) {
		if strings.Contains(enum, "invalid_json") {
			want = matches(regexp.MustCompile(`- (\w+)`), enum)
		}
	}
	require.NotEmpty(t, want)
	_, problems, _ := strings.Cut(pages(t)["../docs/reference/http.md"], "## Problems")
	require.ElementsMatch(t, want, matches(regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\d"), problems))
}

func TestLogLinesExist(t *testing.T) {
	var source strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			source.Write(text)
		}
		return err
	}))
	some := false
	for path, text := range pages(t) {
		for _, message := range matches(regexp.MustCompile(`"message":("[^"]+")`), text) {
			require.Contains(t, source.String(), message, path)
			some = true
		}
	}
	require.True(t, some)
}

func TestNoLineNumbers(t *testing.T) {
	number := regexp.MustCompile(`\.(go|md|yml|yaml|js|mjs|sh)(:|#L)\d+|\bline \d+`)
	for path, text := range pages(t) {
		require.NotRegexp(t, number, text, path)
	}
}
