package docs_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane/memory"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	tokensPage = root + "/docs/recipes/tokens.md"
	examples   = root + "/examples/tokens"
	// tokensSecret is what the examples sign with.
	tokensSecret = "0123456789abcdef0123456789abcdef"
)

// issuers are the programs of the page that are run here. What is not among them the page has to say.
func issuers(t *testing.T) map[string][]string {
	t.Helper()
	return map[string][]string{
		"node":   {"node", "token.js"},
		"python": {python(t), "token_for_reader.py"},
		"go":     {"go", "run", "."},
	}
}

// notRun are those that are not.
func notRun() map[string]string { return map[string]string{"php": "PHP", "csharp": "C#"} }

// python returns a Python that has PyJWT: the first in PATH, or that of the system's packages.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import jwt").Run() == nil {
			return name
		}
	}
	require.Fail(t, "there is no Python 3 with PyJWT: scripts/setup pyjwt")
	return ""
}

// The page shows the files that are run, whole and as they are.
func TestTokensPageShowsTheFiles(t *testing.T) {
	page := pages(t)[tokensPage]
	shown := regexp.MustCompile("(?ms)\\]\\(\\.\\./\\.\\./examples/tokens/([^)]+)\\):\n\n```\\w+\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	folders := make(map[string]bool)
	for _, m := range shown {
		text, err := os.ReadFile(filepath.Join(examples, m[1]))
		require.NoError(t, err)
		require.Equal(t, string(text), m[2], m[1])
		folders[filepath.Dir(m[1])] = true
	}
	there, err := os.ReadDir(examples)
	require.NoError(t, err)
	for _, folder := range there {
		require.True(t, folders[folder.Name()], "the page shows nothing of examples/tokens/%s", folder.Name())
		_, run := issuers(t)[folder.Name()]
		_, said := notRun()[folder.Name()]
		require.NotEqual(t, run, said, "examples/tokens/%s is run, or the page says that it is not", folder.Name())
	}
	for _, language := range notRun() {
		_, section, _ := strings.Cut(page, "\n## "+language+"\n")
		require.Regexp(t, `^\nNot (compiled or )?run by our tests\.`, section)
	}
	require.Contains(t, page, strings.Join(slices.Sorted(maps.Values(notRun())), " and ")+" are run by nobody here")
}

func TestTokensOfEveryLanguageCount(t *testing.T) {
	bin := build(t)
	s := newSession(t, bin)
	s.startNode([]string{"PUSHSTREAM_AUTH_SECRET=" + tokensSecret, "PUSHSTREAM_AUTH_COOKIE=stream", "PUSHSTREAM_CORS_ORIGINS=https://app.example.com"})
	engine, err := memory.New(memory.DefaultConfig())
	require.NoError(t, err)
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.ClockSkew = tokensSecret, 0 // for times as they are in the token
	tokens, err := auth.New(cfg, engine, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for language, argv := range issuers(t) {
		t.Run(language, func(t *testing.T) {
			token := mint(t, language, argv)
			p, err := tokens.Verify(t.Context(), token)
			require.NoError(t, err)
			requireAlice(t, p)
			s.requireRead(t, token)
		})
	}
}

// mint runs a program in its folder, and returns the token that it prints.
func mint(t *testing.T, language string, argv []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(examples, language)
	cmd.Env = append(os.Environ(), "PUSHSTREAM_AUTH_SECRET="+tokensSecret)
	text, err := cmd.Output()
	if failed, ran := err.(*exec.ExitError); ran { //nolint:errorlint // Output returns it as it is
		require.Fail(t, "scripts/setup node npm-examples pyjwt", string(failed.Stderr))
	}
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// requireAlice holds a principal to what the page says of its token.
func requireAlice(t *testing.T, p auth.Principal) {
	t.Helper()
	require.Equal(t, "user:alice", p.User.String())
	require.Equal(t, "session:session-1", p.Session.String())
	require.Equal(t, []string{"topic:news"}, p.Subscribe.Patterns())
	require.True(t, p.Publish.IsZero())
	require.Equal(t, event.DefaultTenant(), p.Tenant)
	require.WithinDuration(t, time.Now(), p.Issued, time.Minute)
	require.Equal(t, 15*time.Minute, p.Expires.Sub(p.Issued))
	require.GreaterOrEqual(t, len(p.TokenID), 16)
}

// requireRead reads from a node with a token, in each of the ways of the page.
func (s *session) requireRead(t *testing.T, token string) {
	t.Helper()
	bearer := http.Header{"Authorization": {"Bearer " + token}}
	cookie := http.Header{"Cookie": {"stream=" + token}, "Origin": {"https://app.example.com"}}
	for _, header := range []http.Header{bearer, cookie} {
		status, body := s.ask(t, http.MethodGet, "/events?topic=news", header)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, "event: pushstream.hello\n")
		status, body = s.ask(t, http.MethodGet, "/events?topic=other", header)
		require.Equal(t, http.StatusForbidden, status, body)
		status, body = s.ask(t, http.MethodPost, "/tickets", header)
		require.Equal(t, http.StatusCreated, status, body)
		var answer struct{ Ticket string }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		for _, want := range []int{http.StatusOK, http.StatusUnauthorized} { // it is good once
			status, body = s.ask(t, http.MethodGet, "/events?topic=news&ticket="+answer.Ticket, nil)
			require.Equal(t, want, status, body)
		}
	}
	foreign := http.Header{"Cookie": {"stream=" + token}, "Origin": {"https://foreign.example"}}
	status, body := s.ask(t, http.MethodGet, "/events?topic=news", foreign)
	require.Equal(t, http.StatusForbidden, status, body)
	require.Contains(t, body, `"code":"origin"`)
	for want, header := range map[int]http.Header{http.StatusForbidden: bearer, http.StatusUnauthorized: cookie} { // it only reads
		status, body = s.ask(t, http.MethodPost, "/events", header)
		require.Equal(t, want, status, body)
	}
}

// ask makes a request, and returns its status and the beginning of its answer: of a stream, all up to live.
func (s *session) ask(t *testing.T, method, path string, header http.Header) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.here["localhost:8080"]+path, http.NoBody)
	require.NoError(t, err)
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Accept", "text/event-stream")
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	var text strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(text.String(), "event: pushstream.live\n"); {
		n, err := response.Body.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	return response.StatusCode, text.String()
}

// The issuer of the page publishes its keys, and a node that is configured as the page says takes its tokens.
func TestIssuerOfThePage(t *testing.T) {
	s := newSession(t, build(t))
	issuer := s.start([]string{"PORT=0"}, "node", filepath.Join(absolute(t, examples), "node", "issuer.js"))
	t.Cleanup(issuer.interrupt)
	printed := regexp.MustCompile(`^(http://\S+)\n(\S+)\n$`)
	require.True(t, issuer.await(printed.MatchString), "scripts/setup node npm-examples\n%s", issuer)
	lines := printed.FindStringSubmatch(issuer.output.String())

	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(pages(t)[tokensPage], -1)
	at := slices.IndexFunc(blocks, func(m []string) bool { return strings.Contains(m[1], "jwks:") })
	require.GreaterOrEqual(t, at, 0)
	settings := strings.ReplaceAll(blocks[at][1], "https://login.example/.well-known/jwks.json", lines[1])
	require.NotEqual(t, blocks[at][1], settings)
	file := filepath.Join(s.dir, "pushstream.yaml")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))

	s.startNode([]string{"PUSHSTREAM_CONFIG=" + file})
	status, body := s.ask(t, http.MethodGet, "/events?topic=news", http.Header{"Authorization": {"Bearer " + lines[2]}})
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "event: pushstream.hello\n")
	status, body = s.ask(t, http.MethodGet, "/events?topic=other", http.Header{"Authorization": {"Bearer " + lines[2]}})
	require.Equal(t, http.StatusForbidden, status, body)
}

// All YAML of the pages is a configuration, and all JavaScript at least a program.
func TestTokensPageCanBeRead(t *testing.T) {
	bin := build(t)
	page := pages(t)[tokensPage] + pages(t)[runbook]
	for _, m := range regexp.MustCompile("(?ms)^ *```(yaml|js)\n(.*?)^ *```$").FindAllStringSubmatch(page, -1) {
		file := filepath.Join(t.TempDir(), map[string]string{"yaml": "page.yaml", "js": "page.mjs"}[m[1]])
		require.NoError(t, os.WriteFile(file, []byte(m[2]), 0o600))
		argv := []string{"node", "--check", file}
		if m[1] == "yaml" {
			argv = []string{bin, "config", "check", "--config", file, "--auth-secret", tokensSecret}
		}
		text, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
		require.NoError(t, err, "%s\n%s", text, m[2])
	}
}

// Whoever installs the packages takes them from the registry of their own choice.
func TestLockFileOfTheExamplesNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile(examples + "/node/package-lock.json")
	require.NoError(t, err)
	require.Contains(t, string(lock), `"integrity": "sha512-`)
	require.NotContains(t, string(lock), `"resolved"`)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	require.NoError(t, err)
	return full
}
