package redistest_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// failing is a test that is expected to fail.
type failing struct {
	testing.TB

	said strings.Builder
}

func (f *failing) Errorf(format string, args ...any) { fmt.Fprintf(&f.said, format, args...) }

func (f *failing) FailNow() { runtime.Goexit() }

// requireFailure runs what has to fail the test that it is given, and to say a text.
func requireFailure(t *testing.T, text string, run func(*failing)) {
	t.Helper()
	f, ended, returned := &failing{TB: t}, make(chan struct{}), false
	go func() { // joined below
		defer close(ended)
		run(f)
		returned = true
	}()
	<-ended
	require.False(t, returned, "it has not stopped the test")
	require.Contains(t, f.said.String(), text)
}

func TestSharedServerMustNotBeHarmed(t *testing.T) {
	t.Parallel()
	for _, harm := range []func(*redistest.Server){
		(*redistest.Server).Kill,
		(*redistest.Server).Stop,
		(*redistest.Server).Restart,
		(*redistest.Server).Wipe,
		(*redistest.Server).Freeze,
		(*redistest.Server).Thaw,
	} {
		requireFailure(t, "must not be harmed", func(f *failing) { harm(redistest.Shared(f)) })
	}
	require.Equal(t, "PONG", redistest.Shared(t).Do("PING"))
}

func TestHarmInTheWrongState(t *testing.T) {
	t.Parallel()
	for _, harm := range []func(*redistest.Server){
		(*redistest.Server).Wipe,
		(*redistest.Server).Restart,
		func(s *redistest.Server) { s.Kill(); s.Kill() },
		func(s *redistest.Server) { s.Kill(); s.Stop() },
		func(s *redistest.Server) { s.Kill(); s.Freeze() },
		func(s *redistest.Server) { s.Kill(); s.Thaw() },
	} {
		requireFailure(t, "it is ", func(f *failing) { harm(redistest.Start(f)) })
	}
}

func TestWrongSettingSaysWhatTheServerSays(t *testing.T) {
	t.Parallel()
	requireFailure(t, "no-such-setting", func(f *failing) { redistest.Start(f, "no-such-setting yes") })
}

func TestFailedCommand(t *testing.T) {
	t.Parallel()
	requireFailure(t, "NO-SUCH-COMMAND", func(f *failing) { redistest.Start(f).Do("NO-SUCH-COMMAND") })
}

func TestNamedServerThatIsMissing(t *testing.T) {
	t.Setenv("PUSHSTREAM_TEST_REDIS_SERVER", "no-such-server")
	requireFailure(t, "PUSHSTREAM_TEST_REDIS_SERVER", func(f *failing) { redistest.Start(f) })
}

// runTest runs a test of this package in a process of its own, which has no shared server yet.
func runTest(t *testing.T, name string, env ...string) (output string, err error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+name+"$")
	cmd.Env = append(os.Environ(), env...)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

func TestSharedIsTheServerThatIsNamed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "requirepass secret")
	output, err := runTest(t, "TestShared", "PUSHSTREAM_TEST_REDIS_URL="+s.URL())
	require.NoError(t, err, output)
	require.Contains(t, s.Do("INFO", "commandstats"), "cmdstat_set:calls=1,")

	s.Kill()
	output, err = runTest(t, "TestShared", "PUSHSTREAM_TEST_REDIS_URL="+s.URL())
	require.Error(t, err)
	require.Contains(t, output, "PUSHSTREAM_TEST_REDIS_URL")
}

func TestSharedServerEndsWithTheTests(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	output, err := runTest(t, "TestShared", "PUSHSTREAM_TEST_REDIS_URL=", "TMPDIR="+tmp)
	require.NoError(t, err, output) // nor has goleak found anything
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}
