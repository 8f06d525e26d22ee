package config_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
)

// FuzzLoad sets anything by the environment and the command line: it is a fault or a value, and what is kept secret is in
// neither the faults nor what is printed.
func FuzzLoad(f *testing.F) {
	f.Add("LIMITS_TOPICS", "100", "--node=a")
	const secret = "correct-horse-battery-staple-0123456789"
	f.Fuzz(func(t *testing.T, name, text, flag string) {
		if strings.Contains(text+flag, secret) || name == "CONFIG" || strings.Contains(flag, "config") {
			return
		}
		flags := pflag.NewFlagSet("fuzz", pflag.ContinueOnError)
		flags.Usage = func() {}
		config.Register(flags)
		if err := flags.Parse([]string{flag}); err != nil {
			require.NotEmpty(t, config.FlagError(err).Error())
			return
		}
		loaded, err := config.Load(flags, []string{"PUSHSTREAM_" + name + "=" + text, "PUSHSTREAM_ADMIN_TOKEN=" + secret, "PUSHSTREAM_AUTH_SECRET=" + secret})
		if err != nil {
			require.NotContains(t, err.Error(), secret)
			return
		}
		if err = loaded.Config.Validate(); err != nil {
			require.NotContains(t, err.Error(), secret)
		}
		var printed strings.Builder
		require.NoError(t, loaded.WriteYAML(&printed))
		require.NotContains(t, printed.String(), secret)
	})
}
