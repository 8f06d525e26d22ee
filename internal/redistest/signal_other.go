//go:build !unix

package redistest

import "syscall"

// There are no such signals; sending one is an error.
const (
	freeze = syscall.Signal(-1)
	thaw   = syscall.Signal(-1)
)
