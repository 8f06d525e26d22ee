package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const (
	envPrefix = "PUSHSTREAM_"
	// envTest begins variables of this repository's own tests, envBench those of benchmarks.
	envTest  = envPrefix + "TEST_"
	envBench = envPrefix + "BENCH_"
	// envClient begins variables of the commands that are clients of a node.
	envClient = envPrefix + "CLIENT_"
	envFile   = envPrefix + "CONFIG"
	// fileFlag has no key: a file cannot name a file.
	fileFlag = "config"
)

// Loaded is a configuration and where each part of it comes from.
type Loaded struct {
	// Config is what is set. Load does not validate it.
	Config Config

	sources map[string]string // of settings that are not at their default, by key
}

// given is one setting's text in one source.
type given struct {
	key, text string
	// from names the source, and the place in it.
	from string
	// list says that it was a list of items.
	list bool
}

// Register adds a flag for every setting, and --config, to a command's flags.
func Register(flags *pflag.FlagSet) {
	register(flags, func(string) bool { return true })
}

// RegisterOnly adds the flags of some settings, and --config.
func RegisterOnly(flags *pflag.FlagSet, keys ...string) {
	register(flags, func(key string) bool { return slices.Contains(keys, key) })
}

func register(flags *pflag.FlagSet, wanted func(key string) bool) {
	c := Default()
	flags.String(fileFlag, "", "YAML `file` with settings")
	for _, s := range settings(&c) {
		if !wanted(s.key) {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSuffix(s.about, "."), ". ") // the reference has the rest
		f := flags.VarPF(s.value, s.flag(), "", strings.ReplaceAll(first, "`", ""))
		if s.value.Type() == kindBool {
			f.NoOptDefVal = "true"
		}
		if s.standard != "" {
			f.DefValue = s.standard
		}
	}
}

// Load reads what the command line (flags that Register added, parsed), environ (as from os.Environ) and the file that one
// of them names say, on top of the defaults. It returns all faults, joined, each as "key (source): what is wrong". With
// faults, Loaded still has everything that was understood.
func Load(flags *pflag.FlagSet, environ []string) (*Loaded, error) {
	l := &Loaded{Config: Default(), sources: map[string]string{}}
	file, fromEnv, envErr := readEnv(environ)
	if flags.Changed(fileFlag) {
		file = flags.Lookup(fileFlag).Value.String()
	}
	fromFile, fileErr := readFile(file)
	faults := []error{fileErr, envErr}
	for _, source := range [][]given{fromFile, fromEnv, fromFlags(flags)} {
		faults = append(faults, l.apply(source))
	}
	return l, errors.Join(faults...)
}

// apply sets what one source has.
func (l *Loaded) apply(source []given) error {
	rows := make(map[string]setting)
	for _, s := range settings(&l.Config) {
		rows[s.key] = s
	}
	var faults []error
	for _, g := range source {
		s := rows[g.key]
		if g.list && s.value.Type() != kindList {
			faults = append(faults, fmt.Errorf("%s (%s): it is one value, not a list", g.key, g.from))
			continue
		}
		if err := s.value.Set(g.text); err != nil {
			faults = append(faults, fmt.Errorf("%s (%s): %w", g.key, g.from, err))
			continue
		}
		l.sources[g.key] = g.from
	}
	return errors.Join(faults...)
}

func fromFlags(flags *pflag.FlagSet) []given {
	var c Config
	var found []given
	for _, s := range settings(&c) {
		if f := flags.Lookup(s.flag()); f != nil && f.Changed {
			found = append(found, given{key: s.key, text: f.Value.String(), from: "--" + f.Name})
		}
	}
	return found
}

// FlagError puts what pflag says of a command line into the words of Load.
func FlagError(err error) error {
	var c Config
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		names := []string{fileFlag, "help"}
		for _, s := range settings(&c) {
			names = append(names, s.flag())
		}
		name := unknown.GetSpecifiedName()
		return fmt.Errorf("unknown flag --%s%s", name, hint("--", name, names))
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		for _, s := range settings(&c) {
			if s.flag() == invalid.GetFlag().Name {
				return fmt.Errorf("%s (--%s): %w", s.key, s.flag(), errors.Unwrap(invalid))
			}
		}
	}
	return err
}
