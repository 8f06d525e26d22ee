package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane/memory"
)

func TestValidateListsAllFaults(t *testing.T) {
	require.NoError(t, memory.DefaultConfig().Validate())
	require.NoError(t, memory.Config{RetentionLength: 1, RetentionAge: 1e6, RetentionBytes: 1, KeyAge: 1}.Validate())

	err := memory.Config{RetentionLength: -1, RetentionAge: 999_999}.Validate()
	require.EqualError(t, err, "retention_length: -1 is less than 1\n"+
		"retention_age: 999.999µs is less than 1ms\n"+
		"retention_bytes: 0 is less than 1\n"+
		"key_age: 0s is not more than 0")

	_, err = memory.New(memory.Config{RetentionLength: 1, RetentionAge: 1e6, RetentionBytes: 1})
	require.EqualError(t, err, "open memory backplane: key_age: 0s is not more than 0")
}
