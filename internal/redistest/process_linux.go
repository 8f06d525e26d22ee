package redistest

import "syscall"

// dieWithParent has the kernel end a child when the test binary dies, so that not even a killed run leaves servers.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
