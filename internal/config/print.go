package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteYAML writes all settings as a file that Load takes, each with its source as a comment. Secrets are "(set)" or empty.
func (l *Loaded) WriteYAML(w io.Writer) error {
	var b strings.Builder
	group := ""
	for _, s := range settings(&l.Config) {
		name, indent := s.key, ""
		if g, rest, nested := strings.Cut(s.key, "."); nested {
			if g != group {
				fmt.Fprintf(&b, "%s:\n", g)
			}
			group, name, indent = g, rest, "  "
		}
		source, set := l.sources[s.key]
		if !set {
			source = "default"
		}
		fmt.Fprintf(&b, "%s%s: %s # %s\n", indent, name, s.yaml(), source)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml returns the value as YAML. Strings are quoted whatever they are: some would be read as something else.
func (s setting) yaml() string {
	text := s.value.String()
	switch s.value.Type() {
	case kindString:
		return strconv.Quote(text)
	case kindYAML:
		if text == "" {
			return "[]"
		}
		return text
	case kindSecret:
		return strconv.Quote(Secret(text).String())
	case kindList:
		if text == "" {
			return "[]"
		}
		return `["` + strings.ReplaceAll(text, ",", `", "`) + `"]`
	default:
		return text
	}
}

// meaning returns what the setting is for and what it may be.
func (s setting) meaning() string {
	if s.limits == "" {
		return s.about
	}
	return s.about + " " + strings.ToUpper(s.limits[:1]) + s.limits[1:] + "."
}

// WriteReference writes docs/reference/configuration.md.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	c := Default()
	group := ""
	for i, s := range settings(&c) {
		g, _, nested := strings.Cut(s.key, ".")
		if !nested {
			g = "general"
		}
		if i == 0 || g != group {
			fmt.Fprintf(&b, "\n## %s\n\n| setting | environment | flag | default | meaning |\n|---|---|---|---|---|\n", g)
		}
		group = g
		standard := s.standard
		if standard == "" {
			standard = "empty"
			if text := s.value.String(); text != "" {
				standard = "`" + text + "`"
			}
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s |\n", s.key, s.env(), s.flag(), standard, s.meaning())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const referenceHead = `# Configuration

<!-- Made from the table in internal/config by: go test ./internal/config -update -->

Everything has a default: a node runs without any configuration. A setting is looked for in four places, and the last one
that has it counts:

1. its default,
2. a YAML file, named by ` + "`--config FILE` or `PUSHSTREAM_CONFIG`" + `,
3. the environment,
4. the command line.

The words are the same everywhere. In YAML, ` + "`limits.connections`" + ` is nested:

` + "```yaml" + `
listen: 127.0.0.1:8080
limits:
  connections: 5000
cors:
  origins: [https://app.example.com, https://admin.example.com]
` + "```" + `

A setting, flag or ` + "`PUSHSTREAM_`" + ` variable that does not exist is an error, and so is one that is set twice in a file.
Zero and empty are values like any other; they never mean the default. A list has commas between its items in the
environment and on the command line, where the flag may also be given several times; it replaces the list of an earlier
place as a whole. Durations have a unit (` + "`15s`, `2m`, `24h`" + `). Bytes are a number, or one with a unit of 1024
(` + "`64KiB`, `8MiB`, `1GiB`" + `).

` + "`pushstreamd config print`" + ` shows what counts and where it comes from; ` + "`pushstreamd config check`" + ` names all
faults and exits with 2 if there are any. Variables that Kubernetes sets for services called pushstream, or
pushstream-anything, are ignored, and so are those that begin with ` + "`PUSHSTREAM_TEST_` or `PUSHSTREAM_BENCH_`" + `.
`
