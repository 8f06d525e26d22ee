//go:build !linux

package integration_test

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
