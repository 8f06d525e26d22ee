package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/config"
)

var update = flag.Bool("update", false, "write golden files")

// load loads with a file of that text (none where it is empty), an environment and a command line.
func load(t *testing.T, yaml string, environ, args []string) (*config.Loaded, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Register(flags)
	if yaml != "" {
		name := filepath.Join(t.TempDir(), "p.yaml")
		require.NoError(t, os.WriteFile(name, []byte(yaml), 0o600))
		args = append([]string{"--config", name}, args...)
	}
	require.NoError(t, flags.Parse(args))
	return config.Load(flags, environ)
}

func printed(t *testing.T, l *config.Loaded) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, l.WriteYAML(&b))
	return b.String()
}

func TestDefaultsAreValid(t *testing.T) {
	l, err := load(t, "", nil, nil)
	require.NoError(t, err)
	require.NoError(t, l.Config.Validate())
	other := config.Default().Node
	require.NotEqual(t, other, l.Config.Node, "two nodes of one host need two names")
	require.Equal(t, "127.0.0.1:8080", l.Config.Listen)
	require.Equal(t, 18000, l.Config.Limits.Connections)
}

func TestLaterSourcesOverrideEarlierOnes(t *testing.T) {
	file := "listen: 127.0.0.1:1\nlimits: {connections: 1, topics: 11}\ncors:\n  origins: [https://a.test, https://b.test]\n"
	environ := []string{"PUSHSTREAM_LIMITS_CONNECTIONS=2", "PUSHSTREAM_LIMITS_TOPICS=12", "PUSHSTREAM_CORS_ORIGINS=https://c.test, https://d.test", "HOME=/"}
	args := []string{"--limits-connections", "3", "--trusted-proxies", "10.1.2.3/8", "--trusted-proxies=::1"}

	l, err := load(t, file, environ, args)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", l.Config.Listen)
	require.Equal(t, 3, l.Config.Limits.Connections)
	require.Equal(t, 12, l.Config.Limits.Topics)
	require.Equal(t, []string{"https://c.test", "https://d.test"}, l.Config.CORS.Origins, "a later list replaces an earlier one")
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, l.Config.TrustedProxies)
	require.Equal(t, time.Hour, l.Config.Stream.MaxAge)

	out := printed(t, l)
	require.Contains(t, out, "connections: 3 # --limits-connections\n")
	require.Contains(t, out, "topics: 12 # PUSHSTREAM_LIMITS_TOPICS\n")
	require.Contains(t, out, "max_age: 1h # default\n")
	require.Regexp(t, `listen: "127.0.0.1:1" # .*p\.yaml:1:9\n`, out)
}

func TestTheFileIsNamedByFlagOrEnvironment(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.yaml")
	require.NoError(t, os.WriteFile(other, []byte("node: other\n"), 0o600))

	l, err := load(t, "", []string{"PUSHSTREAM_CONFIG=" + other}, nil)
	require.NoError(t, err)
	require.Equal(t, "other", l.Config.Node)

	l, err = load(t, "node: flag\n", []string{"PUSHSTREAM_CONFIG=" + other}, nil)
	require.NoError(t, err)
	require.Equal(t, "flag", l.Config.Node)

	_, err = load(t, "", []string{"PUSHSTREAM_CONFIG=" + other + ".not"}, nil)
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = load(t, strings.Repeat("#", 1<<20+1), nil, nil)
	require.ErrorContains(t, err, "larger than 1MiB")
}

func TestEmptyIsAValue(t *testing.T) {
	l, err := load(t, "admin: ''\nstream: {max_age: 0}\ncors: {origins: []}\n", nil, nil)
	require.NoError(t, err)
	require.Empty(t, l.Config.Admin)
	require.Zero(t, l.Config.Stream.MaxAge)
	require.NoError(t, l.Config.Validate())

	l, err = load(t, "cors: {origins: https://a.test}\n", []string{"PUSHSTREAM_ADMIN=", "PUSHSTREAM_CORS_ORIGINS="}, nil)
	require.NoError(t, err)
	require.Empty(t, l.Config.Admin)
	require.Empty(t, l.Config.CORS.Origins)
}

// sample returns a value that is not the default and is valid where nothing else is set.
func sample(f *pflag.Flag) string {
	switch f.Name {
	case "listen", "admin":
		return "127.0.0.1:9"
	case "auth-secret":
		return "0123456789abcdef0123456789abcdef"
	case "auth-issuers":
		return `[{"issuer":"a","audiences":["b"],"algorithms":["RS256"],"jwks":"https://a.test/keys"}]`
	case "auth-keys":
		return `[{"name":"shop","sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]`
	case "admin-token":
		return "0123456789abcdef"
	case "log-level":
		return "warn"
	case "log-format":
		return "json"
	case "trusted-proxies":
		return "10.0.0.0/8"
	case "cors-origins":
		return "https://a.test"
	case "redis":
		return "rediss://user:secret@10.0.0.9:6380/2"
	case "backplane-acknowledge":
		return "replica"
	case "backplane-replicas":
		return "7"
	case "backplane-ingest":
		return "false"
	}
	switch f.Value.Type() {
	case "bool":
		return "true"
	case "duration":
		return "11m"
	case "bytes":
		return "128KiB"
	case "int":
		return "777"
	default:
		return "other"
	}
}

func TestEverySettingCanBeSetInEverySource(t *testing.T) {
	node := []string{"PUSHSTREAM_NODE=n"}
	base, err := load(t, "", node, nil)
	require.NoError(t, err)
	lines := strings.Split(printed(t, base), "\n")

	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Register(flags)
	fields := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "node" {
			return
		}
		fields++
		env := "PUSHSTREAM_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text := sample(f)
		var yaml string
		if group, rest, found := strings.Cut(f.Name, "-"); found && f.Name != "admin-token" && f.Name != "insecure-dev" && f.Name != "trusted-proxies" {
			yaml = fmt.Sprintf("%s:\n  %s: %s\n", group, strings.ReplaceAll(rest, "-", "_"), text)
		} else {
			yaml = fmt.Sprintf("%s: %s\n", strings.ReplaceAll(f.Name, "-", "_"), text)
		}
		for name, source := range map[string]func() (*config.Loaded, error){
			"yaml": func() (*config.Loaded, error) { return load(t, yaml, node, nil) },
			"env":  func() (*config.Loaded, error) { return load(t, "", append(node, env+"="+text), nil) },
			"flag": func() (*config.Loaded, error) { return load(t, "", node, []string{"--" + f.Name + "=" + text}) },
		} {
			l, err := source()
			require.NoError(t, err, "%s %s", name, f.Name)
			var changed []string
			for i, line := range strings.Split(printed(t, l), "\n") {
				if line != lines[i] {
					changed = append(changed, line)
				}
			}
			require.Len(t, changed, 1, "%s %s", name, f.Name)
			if f.Value.Type() == "secret" {
				require.NotContains(t, changed[0], text, "%s %s", name, f.Name)
			} else {
				require.Contains(t, changed[0], text, "%s %s", name, f.Name)
			}
		}
	})
	require.Greater(t, fields, 30)
}

func TestFaultsOfAFile(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown group":      {"limit: {connections: 1}", `p.yaml:1:1: unknown setting "limit"; did you mean limits?`},
		"unknown setting":    {"limits:\n  conections: 1", `p.yaml:2:3: unknown setting "limits.conections"; did you mean limits.connections?`},
		"nothing like it":    {"zzzzzzzz: 1", `unknown setting "zzzzzzzz"`},
		"merge key":          {"<<: {listen: a}", "unknown setting"},
		"set twice":          {"listen: a:1\nlisten: b:1", `p.yaml:2:1: "listen": it is set twice`},
		"set twice, quoted":  {"limits:\n  topics: 1\n  \"topics\": 2", `"limits.topics": it is set twice`},
		"group twice":        {"limits: {topics: 1}\nlimits: {connections: 1}", `p.yaml:2:1: "limits": it is set twice`},
		"dots":               {"limits.connections: 1", `"limits.connections": groups are nested, not written with dots`},
		"no number":          {"limits: {connections: many}", `limits.connections (`},
		"what is expected":   {"limits: {connections: many}", `p.yaml:1:23): "many" is not a whole number`},
		"fraction":           {"limits: {connections: 1.5}", `"1.5" is not a whole number`},
		"no unit":            {"stream: {heartbeat: 15}", `"15" is not a duration with its unit, like 15s, 2m or 24h`},
		"no bytes":           {"limits: {event_bytes: 64KB}", `"64KB" is not a number of bytes, like 65536, 64KiB or 8MiB`},
		"too many bytes":     {"limits: {event_bytes: 9999999999999GiB}", "is not a number of bytes"},
		"no truth":           {"insecure_dev: sure", `"sure" is not true or false`},
		"no network":         {"trusted_proxies: [10.0.0.0/8, here]", `"here" is not an address or a network, like 10.0.0.0/8`},
		"origin with path":   {"cors: {origins: ['https://a.test/']}", "it has a host and perhaps a port, and nothing behind them"},
		"origin, pattern":    {"cors: {origins: ['https://*.a.test']}", "there are no patterns"},
		"origin, all":        {"cors: {origins: ['*']}", "there are no patterns"},
		"origin, scheme":     {"cors: {origins: ['ftp://a.test']}", "it begins with https:// or http://"},
		"origin, case":       {"cors: {origins: ['https://A.test']}", "in lower case"},
		"origin, letters":    {"cors: {origins: ['https://ä.test']}", "in ASCII"},
		"origin, port":       {"cors: {origins: ['https://a.test:443']}", "leave the usual port out"},
		"origin, empty port": {"cors: {origins: ['https://a.test:']}", "leave the usual port out"},
		"origin, no URL":     {"cors: {origins: ['https://a b']}", "it cannot be read as a URL"},
		"list for one":       {"node: [a]", "node (" /* file */},
		"list for one, why":  {"node: [a]", "it is one value, not a list"},
		"mapping for one":    {"listen: {a: b}", "listen: it is not a plain value (mapping)"},
		"mapping in a list":  {"cors: {origins: [{a: b}]}", "cors.origins: it is not a plain value (mapping)"},
		"value for a group":  {"limits: 5", "limits: expected are settings, each as name: value"},
		"no value":           {"listen:", "listen: it has no value; leave it out for the default"},
		"anchor":             {"listen: &a x:1", "listen: it is not a plain value (anchor)"},
		"tag":                {"listen: !!str x", "it is not a plain value (tag)"},
		"only text":          {"hello", "expected are settings, each as name: value"},
		"a list":             {"- listen", "expected are settings"},
		"second document":    {"node: a\n---\nnode: b", "a second document"},
		"no YAML":            {"a: [", "p.yaml:1:"},
		"tab":                {"limits:\n\tconnections: 1", "p.yaml:2:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, c.yaml, nil, nil)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n", "one fault is one line")
		})
	}
	for _, yaml := range []string{"# nothing\n", "---\n", "\n", "---\nnode: a\n...\n", "{}", "{node: a, log: {level: debug}}", "\ufeffnode: a"} {
		_, err := load(t, yaml, nil, nil)
		require.NoError(t, err, "%q", yaml)
	}
}

func TestAllFaultsAreToldAndTheRestIsLoaded(t *testing.T) {
	l, err := load(t, "nod: x\nstream: {retry: soon, heartbeat: 20s}\n", []string{"PUSHSTREAM_LISTN=x", "PUSHSTREAM_LIMITS_TOPICS=few"}, nil)
	require.Len(t, strings.Split(err.Error(), "\n"), 4)
	require.ErrorContains(t, err, "did you mean node?")
	require.ErrorContains(t, err, "stream.retry (")
	require.ErrorContains(t, err, "unknown environment variable PUSHSTREAM_LISTN; did you mean PUSHSTREAM_LISTEN?")
	require.ErrorContains(t, err, `limits.topics (PUSHSTREAM_LIMITS_TOPICS): "few" is not a whole number`)
	require.Equal(t, 20*time.Second, l.Config.Stream.Heartbeat)
	require.Equal(t, 2*time.Second, l.Config.Stream.Retry)
}

func TestWhatKubernetesSetsIsIgnored(t *testing.T) {
	_, err := load(t, "", []string{
		"PUSHSTREAM_SERVICE_HOST=10.0.0.1", "PUSHSTREAM_SERVICE_PORT=8080", "PUSHSTREAM_SERVICE_PORT_HTTP=8080",
		"PUSHSTREAM_PORT=tcp://10.0.0.1:8080", "PUSHSTREAM_PORT_8080_TCP=tcp://10.0.0.1:8080", "PUSHSTREAM_PORT_8080_TCP_ADDR=10.0.0.1",
		"PUSHSTREAM_ADMIN_SERVICE_HOST=10.0.0.1", "PUSHSTREAM_ADMIN_PORT=udp://10.0.0.1:8081", "PUSHSTREAM_ADMIN_SERVICE_PORT=8081",
		"PUSHSTREAM_TEST_ANYTHING=x", "PUSHSTREAM_BENCH_ARGS=x", "PUSHSTREAMER=x", "=C:=x",
	}, nil)
	require.NoError(t, err)
	for _, name := range []string{"PUSHSTREAM_PORT=8080", "PUSHSTREAM_ADMIN_PORT=8080", "PUSHSTREAM_HOST=x", "PUSHSTREAM_=x"} {
		_, err = load(t, "", []string{name}, nil)
		require.ErrorContains(t, err, "unknown environment variable", name)
	}
}

func TestFaultsOfACommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"--limits-conections=1":        "unknown flag --limits-conections; did you mean --limits-connections?",
		"--zzzzzzzz":                   "unknown flag --zzzzzzzz",
		"--limits-connections=many":    `limits.connections (--limits-connections): "many" is not a whole number`,
		"--cors-origins=*":             "cors.origins (--cors-origins):",
		"--listen":                     "flag needs an argument: --listen",
		"-x":                           "unknown shorthand flag",
		"--stream-heartbeat=1 fortnit": "is not a duration",
	} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		config.Register(flags)
		require.ErrorContains(t, config.FlagError(flags.Parse([]string{args})), want)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const secret = "correct-horse-battery"
	file := "auth:\n  secret: " + secret + secret + "\n  issuers:\n  - issuer: a\n    audiences: [b]\n    algorithms: [HS256]\n    secret: " + secret + secret +
		"\n  keys: [{name: shop, key: " + secret + secret + "}]\n"
	l, err := load(t, file, []string{"PUSHSTREAM_ADMIN_TOKEN=" + secret}, nil)
	require.NoError(t, err)
	require.NoError(t, l.Config.Validate())
	require.Equal(t, secret, string(l.Config.AdminToken))
	require.Equal(t, secret+secret, string(l.Config.Auth.Issuers[0].Secret))
	require.Equal(t, secret+secret, string(l.Config.Auth.Keys[0].Key))
	require.Contains(t, printed(t, l), `keys: [{"name":"shop","key":"(set)"}] # `)
	require.Contains(t, printed(t, l), "admin_token: \"(set)\" # PUSHSTREAM_ADMIN_TOKEN\n")

	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	const key = "config"
	log.Info("x", slog.Any(key, l.Config), slog.Any(key, l.Config.AdminToken))
	js, err := json.Marshal(l.Config)
	require.NoError(t, err)
	l.Config.Auth.Issuers[0].Algorithms = []string{"none"}
	require.NotContains(t, l.Config.Validate().Error(), secret)
	for _, shown := range []string{
		printed(t, l), fmt.Sprintf("%v %+v %#v %s %q %x", l.Config, l.Config, l.Config, l.Config.AdminToken, l.Config.AdminToken, l.Config.AdminToken), logged.String(), string(js),
	} {
		require.NotContains(t, shown, secret)
		require.NotContains(t, shown, fmt.Sprintf("%x", secret))
	}

	for _, bad := range []string{"too-short-token", "with space-and-more-of-it", strings.Repeat("x", 513)} {
		l.Config.AdminToken = config.Secret(bad)
		err := l.Config.Validate()
		require.ErrorContains(t, err, "admin_token: ")
		require.NotContains(t, err.Error(), bad)
	}
}

func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	file := "listen: '[::1]:1'\nnode: \"true\"\nstream: {max_age: 90s, retry: 1m30s, heartbeat: 1m}\nlimits: {event_bytes: 65537, body_bytes: 3MiB}\n" +
		"trusted_proxies: [10.0.0.0/8, 'fd00::/8']\ncors: {origins: [https://a.test]}\nretention: {age: 8760h, bytes: 1024GiB}\n"
	l, err := load(t, file, nil, nil)
	require.NoError(t, err)
	again, err := load(t, printed(t, l), nil, nil)
	require.NoError(t, err)
	require.Equal(t, l.Config, again.Config)
}

func TestReferenceIsCurrent(t *testing.T) {
	const name = "../../docs/reference/configuration.md"
	var b bytes.Buffer
	require.NoError(t, config.WriteReference(&b))
	if *update {
		require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
	}
	have, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(have), b.String(), "go test ./internal/config -update")
}
