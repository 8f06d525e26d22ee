package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNamesAreUnique(t *testing.T) {
	var c Config
	seen := map[string]bool{envFile: true, fileFlag: true}
	for _, s := range settings(&c) {
		require.LessOrEqual(t, strings.Count(s.key, "."), 1, s.key)
		for _, name := range []string{s.key, s.env(), s.flag()} {
			if name == s.key && name == s.flag() {
				continue // one word
			}
			require.False(t, seen[name], name)
			seen[name] = true
		}
	}
}

func TestLimitsAreKeptToBothEnds(t *testing.T) {
	var c Config
	numbers := 0
	for _, s := range settings(&c) {
		least, most, found := strings.Cut(strings.TrimPrefix(s.limits, "0, or "), " to ")
		if !found {
			continue
		}
		numbers++
		for _, text := range []string{least, most} {
			require.NoError(t, s.value.Set(text), s.key)
			require.NoError(t, s.check(), "%s: %s", s.key, text)
		}
		beyond := map[string][2]int{least: {-1}, most: {+1}}
		for text, by := range beyond {
			require.NoError(t, s.value.Set(text), s.key)
			switch v := s.value.(type) {
			case value[int]:
				*v.at += by[0]
			case value[time.Duration]:
				*v.at += time.Duration(by[0])
			default:
				require.Fail(t, "no number", s.key)
			}
			require.Error(t, s.check(), "%s: %s %+d", s.key, text, by[0])
		}
		require.NoError(t, s.value.Set("0"), s.key)
		zero := s.check() == nil
		require.Equal(t, zero, strings.HasPrefix(s.limits, "0"), s.key)
		require.Equal(t, zero, strings.Contains(s.about, " 0 for") || strings.Contains(s.about, " 0s for"), "%s: the meaning of 0", s.key)
	}
	require.Greater(t, numbers, 25)
}

// The fields' comments say the same as the table.
func TestCommentsOfFieldsTellLimitsAndDefault(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	require.NoError(t, err)
	comments := map[string]string{} // by "Stream.MaxAge"
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range fields.Fields.List {
				comments[spec.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return false
	})
	fieldName := func(key string) string {
		group, name, nested := strings.Cut(key, ".")
		if !nested {
			group, name = "config", key
		}
		camel := strings.NewReplacer(" ", "").Replace(titles(name))
		if group == "cors" {
			return "CORS." + camel
		}
		return titles(group) + "." + camel
	}
	c := Default()
	for _, s := range settings(&c) {
		comment, found := comments[fieldName(s.key)]
		require.True(t, found, s.key)
		require.Contains(t, comment, strings.TrimPrefix(s.limits, "0, or "), s.key)
		standard := s.value.String()
		if s.standard != "" {
			standard = "the " + s.standard
		}
		if standard == "" {
			standard = "empty"
			if s.key == "limits.publish_rate" {
				standard = "0"
			}
		}
		require.Contains(t, comment, "default "+standard, s.key)
	}
}

// titles returns "MaxAge" for "max_age".
func titles(s string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(s, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		"listen: 127.0.0.1:8080\nlimits:\n  connections: 5\n", "cors: {origins: [https://a.test, 'https://b.test']}", "node: \"\\x41\\u00e9\"",
		"log:\n  level: |\n    info\n", "a: &x [1]\nb: *x\n", "? a\n: b", "---\n...\n---\n", "stream: {max_age: 0, retry: 1m30s}", "- a\n- b", "'", "{", "!!str a: b", "limits: {<<: 1}", "\t",
		"retention: {bytes: 1GiB, age: 1h}\r\ntrusted_proxies:\r\n- 10.0.0.1\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := parseYAML("fuzz.yaml", data)
		l := &Loaded{Config: Default(), sources: map[string]string{}}
		if err != nil || l.apply(found) != nil || l.Config.Validate() != nil || l.Config.AdminToken != "" {
			return
		}
		var b strings.Builder
		require.NoError(t, l.WriteYAML(&b))
		found, err = parseYAML("again.yaml", []byte(b.String()))
		require.NoError(t, err)
		again := &Loaded{Config: Default(), sources: map[string]string{}}
		require.NoError(t, again.apply(found))
		var second strings.Builder
		again.sources = l.sources
		require.NoError(t, again.WriteYAML(&second))
		require.Equal(t, b.String(), second.String())
	})
}
