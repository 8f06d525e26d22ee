package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// newNamespace returns a new network namespace. It lasts for as long as the file is open or a process is in it. That is why
// it has no name: a killed test run would leave that behind.
func newNamespace() (namespace *os.File, err error) {
	// A process is born into it and may go when the file is open: cat ends with its input. For a thread of this process to
	// go there and come back would be the other way; if it ended there, programs that it had started would die with it.
	first := exec.CommandContext(context.Background(), "cat")
	first.SysProcAttr = dieWithParent()
	first.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	stdin, err := first.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err = first.Start(); err != nil {
		return nil, err
	}
	namespace, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", first.Process.Pid))
	return namespace, errors.Join(err, stdin.Close(), first.Wait())
}
