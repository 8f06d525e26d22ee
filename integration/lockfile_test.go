package integration_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever installs the packages takes them from the registry of their own choice; the lock files pin what they are.
func TestLockFilesNameNoRegistry(t *testing.T) {
	for _, file := range []string{"package-lock.json", "../clients/js/package-lock.json", "../clients/js/test/node24/package-lock.json"} {
		lock, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(lock), `"integrity": "sha512-`)
		require.NotContains(t, string(lock), `"resolved"`)
		require.NotContains(t, string(lock), "registry")
	}
}
