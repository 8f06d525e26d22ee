package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is a running program.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its output has been read
	err   error         // how it ended; to be read after ended
}

func startProcess(cmd *exec.Cmd, out io.Writer) (*process, error) {
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() { // joined by kill and await
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// kill ends the process without giving it a chance, and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() //nolint:errcheck // it fails if the process has ended by itself
	<-p.ended
}

// await waits for the end of a process that has been told to end, and kills it if that takes too long.
func (p *process) await(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("%s has not stopped %v after SIGTERM", p.cmd.Path, within)
	}
}

// answers returns an error unless the server at an address is the process of that id and answers commands.
func answers(addr, secret string, pid int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	commands := "INFO server\r\nPING\r\n"
	if secret != "" {
		commands = "AUTH " + secret + "\r\n" + commands
	}
	if _, err := io.WriteString(conn, commands); err != nil {
		return err
	}
	ours := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); {
		case line == fmt.Sprintf("process_id:%d", pid):
			ours = true
		case line == "+PONG" && ours:
			return nil
		case line == "+PONG":
			return errPortInUse
		case strings.HasPrefix(line, "-"):
			return errors.New(line)
		}
	}
	return io.ErrUnexpectedEOF
}

// output keeps what is written to it, up to a limit. It is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	const most = 256 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, b[:min(len(b), most-len(o.buf))]...)
	return len(b), nil
}

// String returns what has been written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buf)
}
