package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lines that the page shows are those of the files.
func TestPageShowsLinesOfTheFiles(t *testing.T) {
	page := read(t, "docs/operations/scaling.md")
	for language, file := range map[string]string{
		"nginx": "deploy/nginx/pushstream.conf", "haproxy": "deploy/haproxy/haproxy.cfg", "caddyfile": "deploy/caddy/Caddyfile",
	} {
		shown := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)\n```$").FindStringSubmatch(page)
		require.NotNil(t, shown, language)
		var lines []string
		for line := range strings.SplitSeq(read(t, file), "\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
		require.Subset(t, lines, strings.Split(shown[1], "\n"), file)
	}
	sed := regexp.MustCompile(`(?m)^sed .*$`).FindString(page)
	require.Contains(t, read(t, "deploy/nginx/pushstream.conf"), "#   "+sed+"\n")
}
