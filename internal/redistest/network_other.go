//go:build !linux

package redistest

import (
	"errors"
	"os"
)

// newNamespace fails: only Linux has network namespaces.
func newNamespace() (*os.File, error) { return nil, errors.ErrUnsupported }
