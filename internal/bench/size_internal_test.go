package bench

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The rest of the 1 KiB that a reader may have is for two ids and the begin of a line.
func TestAReaderIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(reader{}), uintptr(320))
}
