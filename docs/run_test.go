package docs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

const (
	// patience is how long a reader may take to show what its page says.
	patience = 10 * time.Second
	// patienceWithPage is how long a page may take: a command that waits for ever fails it.
	patienceWithPage = 2 * time.Minute
)

// TestPagesDoWhatTheySay follows pages as a person would, step after step:
//
//   - A sh block is run by bash, a js block by Node.js, a go block by go run. Where a json, http or console block comes next,
//     that is what it has to print; otherwise it has to succeed.
//   - "make run" starts a node, with the settings in front of it, in place of the one before on its port. A page without it
//     gets a node all the same. Other lines of such a block only lead there.
//   - localhost:6379 and "redis-cli" reach a Redis that belongs to the page alone.
//   - "curl -N" is a reader. It stays until Ctrl-C is named outside of blocks, until the next reader, or until the node is
//     started again. A text block shows all that it has been sent since the text block before.
//
// Ids, and what else differs from run to run, are what the page makes of them: see session.same.
func TestPagesDoWhatTheySay(t *testing.T) {
	bin := build(t)
	for _, page := range []string{
		"README.md", "docs/quickstart.md", "docs/operations/bench.md", "docs/operations/running.md", "docs/operations/redis.md", "docs/recipes/authentication.md", "docs/recipes/go.md", "docs/recipes/publish.md", "docs/recipes/redis.md",
		"docs/reference/administration.md", "docs/reference/http.md", "docs/reference/redis.md", "docs/reference/wire.md",
	} {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, page))
			require.NoError(t, err)
			s := newSession(t, bin)
			if strings.Contains(string(text), pageRedis) {
				s.useRedis(redistest.Start(t))
			}
			require.NotZero(t, s.follow(steps(string(text))))
		})
	}
}

func TestMakeRunIsANodeWithoutConfiguration(t *testing.T) {
	dry := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-n", "run")
	dry.Dir = root
	text, err := dry.Output()
	require.NoError(t, err)
	require.Equal(t, "go run ./cmd/pushstreamd\n", string(text))
}

// step is a code block, or the word Ctrl-C.
type step struct{ language, text string }

const ctrlC = "Ctrl-C"

func steps(page string) []step {
	var found []step
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$|"+ctrlC).FindAllStringSubmatch(page, -1) {
		if m[1] == "" {
			m[1] = ctrlC
		}
		found = append(found, step{m[1], m[2]})
	}
	return found
}

// session is a person at a terminal with a page.
type session struct {
	t        *testing.T
	command  func(argv ...string) *exec.Cmd
	bin, dir string
	nodes    map[string]*process // by the address that the page gives them
	here     map[string]string   // the page's addresses, and what they are here
	reader   *process
	seen     int               // bytes of the reader's output that were compared
	ids      map[string]string // the page's ids, and what they were here
}

// build returns a pushstreamd.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "pushstreamd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/pushstreamd")
	build.Dir = root
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	return bin
}

// newSession returns a session whose processes end with the test.
func newSession(t *testing.T, bin string) *session {
	t.Helper()
	s := &session{t: t, bin: bin, dir: t.TempDir(), nodes: make(map[string]*process), here: make(map[string]string), ids: make(map[string]string)}
	ctx, cancel := context.WithTimeout(t.Context(), patienceWithPage)
	s.command = func(argv ...string) *exec.Cmd { return exec.CommandContext(ctx, argv[0], argv[1:]...) }
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(bin, filepath.Join(s.dir, "bin", "pushstreamd")))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, ".curlrc"), []byte("silent\nshow-error\n"), 0o600))
	t.Cleanup(func() {
		defer cancel()
		s.stopReader()
		for _, node := range s.nodes {
			node.interrupt()
		}
	})
	return s
}

// What pages say where a node and Redis are.
const (
	pageListen = "127.0.0.1:8080"
	pageAdmin  = "127.0.0.1:8081"
	pageRedis  = "localhost:6379"
)

// follow takes all steps, and returns how many outputs were compared.
func (s *session) follow(all []step) (compared int) {
	for i, next := range all {
		switch next.language {
		case ctrlC:
			s.stopReader()
		case "text":
			s.awaitReader(next.text)
			compared++
		case "sh", "js", "go":
			output, failure := s.run(next)
			if i+1 < len(all) && strings.Contains(" json http console ", " "+all[i+1].language+" ") {
				require.Empty(s.t, s.same(all[i+1].text, output), next.text)
				compared++
			} else {
				require.NoError(s.t, failure, "%s\n%s", next.text, output)
			}
		}
	}
	return compared
}

// run takes a step that is a command.
func (s *session) run(c step) (output string, err error) {
	if m := regexp.MustCompile(`(?m)^((?:[A-Z_]+=\S+ )*)make run$`).FindStringSubmatch(c.text); m != nil {
		s.startNode(strings.Fields(m[1]))
		return "", nil
	}
	if regexp.MustCompile(`^(make [a-z-]+\n)+$`).MatchString(c.text) {
		return "", nil // TestMakeTargetsExist
	}
	if len(s.nodes) == 0 {
		s.startNode(nil)
	}
	text := s.localise(c.text)
	for page, here := range s.ids {
		text = strings.ReplaceAll(text, page, here)
	}
	var argv []string
	switch c.language {
	case "js":
		argv = []string{"node", "--input-type=module", "--eval", text}
	case "go":
		file := filepath.Join(s.dir, "main.go")
		require.NoError(s.t, os.WriteFile(file, []byte(text), 0o600))
		argv = []string{"go", "run", file}
	default:
		argv = []string{"bash", "-c", "exec 3>&1\n" + text}
	}
	p := s.start(nil, argv...)
	if strings.Contains(text, "curl -N") {
		s.stopReader()
		s.reader, s.seen = p, 0
		// Its page has it open before anything else is done.
		require.True(s.t, p.await(func(text string) bool { return strings.Contains(text, "pushstream.live") }), p)
		return "", nil
	}
	err = p.cmd.Wait()
	return p.output.String(), err
}

// awaitReader waits until the reader has been sent what the page shows.
func (s *session) awaitReader(want string) {
	require.NotNil(s.t, s.reader, "the page shows what a reader is sent, but there is none:\n%s", want)
	var difference string
	var shown int
	s.reader.await(func(text string) bool {
		difference, shown = s.same(want, text[s.seen:]), len(text)
		return difference == ""
	})
	require.Empty(s.t, difference)
	s.seen = shown
}

// same compares what a page shows with what there is, and returns what is different. An id of the page stands for one id
// here, the first one in its place.
func (s *session) same(page, here string) (difference string) {
	id := regexp.MustCompile(`\b(?:(?:[A-Z2-7]{8}|[0-9a-f]{8})\.)?\d{13}-\d+\b`) // with a timeline, or an entry of Redis
	varies := regexp.MustCompile(`(?m)("(?:connection|node|time|ticket|started|version|reconnect_ms)":)(?:"[^"]*"|\d+)|^(Date:) .*$|^(retry:) \d+(\nevent: pushstream.bye)$`)
	instant := regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[\d:.]+Z`)
	shape := func(text string) string {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		return size.ReplaceAllString(id.ReplaceAllString(instant.ReplaceAllString(varies.ReplaceAllString(text, "$1$2$3 varies$4"), "INSTANT"), "ID"), "SIZE")
	}
	if shape(s.localise(page)) != shape(here) || !similar(sizes(page), sizes(here)) {
		return "the page shows\n" + page + "\nand here is\n" + here
	}
	actual := id.FindAllString(here, -1)
	for i, shown := range id.FindAllString(page, -1) {
		if known, found := s.ids[shown]; found && known != actual[i] {
			return shown + " is " + known + " and " + actual[i] + " in\n" + here
		}
		s.ids[shown] = actual[i]
	}
	return ""
}

// size is what was measured.
var size = regexp.MustCompile(`\b(\d+) bytes\b`)

func sizes(text string) []int {
	var found []int
	for _, m := range size.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1]) // digits only
		found = append(found, n)
	}
	return found
}

// similar reports whether measured sizes are about the same: other servers and machines differ.
func similar(page, here []int) bool {
	return slices.EqualFunc(page, here, func(a, b int) bool { return a <= b*5/4 && b <= a*5/4 })
}

// startNode starts a node in place of the one that has its address on the page.
func (s *session) startNode(settings []string) {
	listen, admin := pageListen, pageAdmin
	env := []string{"PUSHSTREAM_LISTEN=127.0.0.1:0", "PUSHSTREAM_ADMIN=127.0.0.1:0"}
	for _, setting := range settings {
		switch name, value, _ := strings.Cut(setting, "="); name {
		case "PUSHSTREAM_LISTEN":
			listen = value
		case "PUSHSTREAM_ADMIN":
			admin = value
		default:
			env = append(env, s.localise(setting))
		}
	}
	if before := s.nodes[listen]; before != nil {
		s.stopReader()
		before.interrupt()
	}
	node := s.start(env, s.bin)
	s.nodes[listen] = node
	listening := regexp.MustCompile(`"url":"http://127.0.0.1:(\d+)","admin":"127.0.0.1:(\d+)"`)
	var ports []string
	require.True(s.t, node.await(func(text string) bool {
		ports = listening.FindStringSubmatch(text)
		return ports != nil && strings.Contains(text, "relay vouched for") // ready, too
	}), node)
	s.here[strings.Replace(listen, "127.0.0.1", "localhost", 1)] = "localhost:" + ports[1]
	s.here[strings.Replace(admin, "127.0.0.1", "localhost", 1)] = "localhost:" + ports[2]
}

// localise returns what a page says with the addresses that there are here.
func (s *session) localise(text string) string {
	var pairs []string
	for page, here := range s.here {
		pairs = append(pairs, page, here)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// useRedis makes a Redis the page's, and puts a redis-cli first into the PATH that finds it. Where its output goes to the
// page it prints what it does on a terminal; file 3 is the page: see run.
func (s *session) useRedis(server *redistest.Server) {
	s.here[pageRedis] = server.Addr
	cli, err := exec.LookPath("redis-cli")
	require.NoError(s.t, err)
	script := "#!/bin/bash\n[[ /dev/fd/1 -ef /dev/fd/3 ]] && set -- --no-raw \"$@\"\nexec " + cli + " -u " + server.URL() + " \"$@\"\n"
	require.NoError(s.t, os.Mkdir(filepath.Join(s.dir, "path"), 0o700))
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "path", "redis-cli"), []byte(script), 0o700))
}

func (s *session) stopReader() {
	if s.reader != nil {
		s.reader.interrupt()
		s.reader = nil
	}
}

// process is a command that runs, in a process group of its own.
type process struct {
	cmd    *exec.Cmd
	output *output
}

func (s *session) start(settings []string, argv ...string) *process {
	p := &process{cmd: s.command(argv...), output: &output{}}
	p.cmd.Dir = s.dir
	if argv[0] == "go" {
		p.cmd.Dir = root // for what is in go.mod
	}
	path := filepath.Join(s.dir, "path") + string(os.PathListSeparator) + os.Getenv("PATH")
	p.cmd.Env = append(append(os.Environ(), "CURL_HOME="+s.dir, "PATH="+path), settings...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	require.NoError(s.t, p.cmd.Start())
	return p
}

// interrupt does what Ctrl-C does.
func (p *process) interrupt() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT)
	_ = p.cmd.Wait()
}

// await waits until the output is as it should be; false when patience ends first.
func (p *process) await(good func(text string) bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for look := time.NewTicker(10 * time.Millisecond); ; {
		if good(p.output.String()) {
			return true
		}
		select {
		case <-look.C:
		case <-deadline.C:
			return false
		}
	}
}

// String returns the command and all that it has written.
func (p *process) String() string { return p.cmd.String() + "\n" + p.output.String() }

// output is what a process has written. It is safe for concurrent use.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write appends to the output.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(b)
}

// String returns all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}
