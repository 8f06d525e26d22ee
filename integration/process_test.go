package integration_test

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stopWithin is how long a process may take from SIGTERM to its end before it is killed and the test fails.
const stopWithin = 30 * time.Second

// process is a program that a test runs beside itself.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr log
	ended  chan struct{} // closed when the process has ended and its output has been read
	err    error         // how it ended; to be read after ended
}

// startProcess starts a program and stops it when the test ends. line, unless nil, gets every line of its standard output,
// from one goroutine; what else the program says is logged if the test fails.
func startProcess(t *testing.T, cmd *exec.Cmd, line func(string)) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stderr, &p.stderr
	if line != nil {
		cmd.Stdout = &lineWriter{line: line}
	}
	cmd.SysProcAttr = dieWithParent()
	var err error
	p.stdin, err = cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	go func() { // joined by stop
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.stderr.String())
		}
	})
	return p
}

// stop ends the process with SIGTERM and by closing its standard input, and waits until it has ended.
func (p *process) stop() {
	p.t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	// Errors mean that it has ended by itself meanwhile.
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		p.t.Errorf("%s has not stopped %v after SIGTERM", p.cmd.Path, stopWithin)
		p.kill()
	}
}

// kill ends the process without giving it a chance, and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// log keeps the end of what is written to it. It is safe for concurrent use.
type log struct {
	mu  sync.Mutex
	buf []byte
}

func (l *log) Write(b []byte) (int, error) {
	const most = 64 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, b...)
	if len(l.buf) > 2*most {
		l.buf = append(l.buf[:0], l.buf[len(l.buf)-most:]...)
	}
	return len(b), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf)
}

// lineWriter passes on whole lines.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		w.line(string(line))
		w.rest = rest
	}
}
