package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// readEnv returns the file that the environment names, and its settings. A variable that is set to nothing counts: an
// empty PUSHSTREAM_ADMIN turns the admin listener off.
func readEnv(environ []string) (file string, found []given, err error) {
	var c Config
	keys := make(map[string]string)
	names := []string{envFile}
	for _, s := range settings(&c) {
		keys[s.env()] = s.key
		names = append(names, s.env())
	}
	var faults []error
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		key, known := keys[name]
		switch {
		case known:
			found = append(found, given{key: key, text: text, from: name})
		case name == envFile:
			file = text
		case strings.HasPrefix(name, envPrefix) && !isTools(name) && !isServiceLink(name, text):
			faults = append(faults, fmt.Errorf("unknown environment variable %s%s", name, hint("", name, names)))
		}
	}
	return file, found, errors.Join(faults...)
}

// isTools recognises the variables of tests and benchmarks, which the nodes that they start inherit, and those of the
// commands that are clients of a node.
func isTools(name string) bool {
	return strings.HasPrefix(name, envTest) || strings.HasPrefix(name, envBench) || strings.HasPrefix(name, envClient)
}

// isServiceLink recognises what Kubernetes puts into the environment of every pod for a service that is called pushstream
// or pushstream-anything (PUSHSTREAM_SERVICE_HOST, PUSHSTREAM_PORT=tcp://10.0.0.1:8080, PUSHSTREAM_PORT_8080_TCP_ADDR). Nobody
// typed these, and a node must not refuse to start because of its service's name.
func isServiceLink(name, text string) bool {
	if strings.HasSuffix(name, "_PORT") && !strings.HasSuffix(name, "_SERVICE_PORT") && !strings.Contains(text, "://") {
		return false
	}
	return serviceLink().MatchString(name)
}

func serviceLink() *regexp.Regexp {
	return regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PORT|PROTO|ADDR))?)?)$`)
}
