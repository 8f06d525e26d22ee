package integration_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever installs the packages takes them from the registry of their own choice; the lock file pins what they are.
func TestLockFileNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	require.NoError(t, err)
	require.Contains(t, string(lock), `"integrity": "sha512-`)
	require.NotContains(t, string(lock), "://")
	require.NotContains(t, string(lock), `"resolved"`)
}
