package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startWithin is how long a server may take until it answers.
	startWithin = 10 * time.Second

	// portFreeWithin is how long a restarted server may find its port in use.
	portFreeWithin = 5 * time.Second

	// stopWithin is how long a server may take from SIGTERM to its end. Redis waits up to 10 s for its replicas.
	stopWithin = 20 * time.Second

	configFile = "redis.conf"
)

// errPortInUse is returned by start when something else listens on the server's port.
var errPortInUse = errors.New("port in use")

// local is a server that runs as a process of this machine. It is not safe for concurrent use.
type local struct {
	program string
	args    []string           // behind the configuration file
	preload map[string]preload // by name
	dir     string
	host    *Host // nil if it runs where the test does
	port    int
	secret  string // the password, if any
	out     *output

	process *process // nil before it is started and after it has been ended
	frozen  bool
}

// newLocal writes the configuration of a server on a free port, in a host if there is one. The server is not running yet.
func newLocal(dir string, host *Host, settings []string) (*local, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l := &local{program: path, dir: dir, host: host, port: port, secret: value(settings, "requirepass"), out: new(output)}
	lines := []string{"bind " + l.ip(), fmt.Sprintf("port %d", port), fmt.Sprintf("dir %q", dir)}
	return l, l.write(configFile, append(lines, withDefaults(settings)...))
}

// withDefaults puts the defaults of this package before settings. protected-mode would refuse clients in a Host, or outside
// of a container.
func withDefaults(settings []string) []string {
	return append([]string{`save ""`, "appendonly no", "enable-debug-command yes", "protected-mode no"}, settings...)
}

// write puts a file into the server's folder.
func (l *local) write(name string, lines []string) error {
	return os.WriteFile(filepath.Join(l.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (l *local) ip() string {
	if l.host == nil {
		return "127.0.0.1"
	}
	return l.host.Addr
}

func (l *local) addr() string { return net.JoinHostPort(l.ip(), strconv.Itoa(l.port)) }

func (l *local) url() string { return serverURL(l.addr(), l.secret) }

// run starts the server and waits until it answers. A port that is in use may become free in the meantime.
func (l *local) run() error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(portFreeWithin); ; <-ticker.C {
		err := l.start()
		if !errors.Is(err, errPortInUse) || time.Now().After(deadline) {
			return err
		}
	}
}

func (l *local) start() error {
	if l.process != nil {
		return fmt.Errorf("start server %s: it is running", l.addr())
	}
	already := len(l.out.String())
	p, err := startProcess(l.command(), l.out)
	if err != nil {
		return fmt.Errorf("start %s: %w", l.program, err)
	}
	if err := l.awaitAnswer(p); err != nil {
		p.kill()
		said := l.out.String()[already:]
		if strings.Contains(said, "Could not create server TCP listening") || strings.Contains(said, "Address already in use") {
			err = errPortInUse
		}
		return fmt.Errorf("start %s on %s: %w; it said:\n%s", l.program, l.addr(), err, said)
	}
	l.process, l.frozen = p, false
	return nil
}

func (l *local) command() (cmd *exec.Cmd) {
	args := append([]string{filepath.Join(l.dir, configFile)}, l.args...)
	if l.host == nil {
		// No context: it ends with the test, not with what the test was doing when it started.
		cmd = exec.CommandContext(context.Background(), l.program, args...)
	} else {
		cmd = l.host.command(l.program, args...)
	}
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), environment(l.preload)...)
	return cmd
}

func (l *local) awaitAnswer(p *process) (err error) {
	deadline := time.NewTimer(startWithin)
	defer deadline.Stop()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %w", p.err)
		case <-deadline.C:
			return fmt.Errorf("it has not answered within %v: %w", startWithin, err)
		case <-ticker.C:
			if err = answers(l.addr(), l.secret, p.cmd.Process.Pid); err == nil {
				return nil
			}
		}
	}
}

// signal sends a signal to the running server.
func (l *local) signal(s os.Signal) error {
	if l.process == nil {
		return fmt.Errorf("signal server %s: it is down", l.addr())
	}
	return l.process.cmd.Process.Signal(s)
}

// kill ends the server at once. It does nothing if it is down.
func (l *local) kill() {
	if l.process != nil {
		l.process.kill()
		l.process = nil
	}
}

// stop ends the server in an orderly way.
func (l *local) stop() error {
	if err := l.signal(syscall.SIGTERM); err != nil {
		return err
	}
	p := l.process
	if l.frozen {
		// Only now does it see the first signal.
		if err := p.cmd.Process.Signal(thaw); err != nil {
			return err
		}
	}
	l.process = nil
	return p.await(stopWithin)
}

// wipe removes all that the server has persisted, but not what it knows of its place among others.
func (l *local) wipe() error {
	if l.process != nil {
		return fmt.Errorf("wipe server %s: it is running", l.addr())
	}
	files, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) == ".conf" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(l.dir, file.Name())); err != nil {
			return err
		}
	}
	return nil
}

// close ends the server for good.
func (l *local) close() {
	l.kill()
	releasePort(l.port)
}

// value returns the value of the last directive of a name, or the empty string.
func value(settings []string, name string) (last string) {
	for _, line := range settings {
		if fields := strings.Fields(line); len(fields) == 2 && strings.EqualFold(fields[0], name) {
			last = strings.Trim(fields[1], `"`)
		}
	}
	return last
}
