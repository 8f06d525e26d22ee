package doctor

import (
	"net/http"
	"slices"
	"strings"
)

// Programs that cures are known for.
const (
	nginx      = "nginx"
	haproxy    = "haproxy"
	caddy      = "caddy"
	pushstream = "pushstream"
)

// path is who has named itself between here and the node. A node names itself nowhere, and HAProxy neither.
type path struct {
	names []string // as in Server and Via
	known []string // nginx, haproxy, caddy, as far as they are among the names
}

func pathOf(headers ...http.Header) *path {
	p := new(path)
	for _, h := range headers {
		for _, field := range []string{"Server", "Via"} {
			for _, value := range h.Values(field) {
				p.add(foreign(value))
			}
		}
	}
	return p
}

func (p *path) add(name string) {
	if name == "" || slices.Contains(p.names, name) {
		return
	}
	p.names = append(p.names, name)
	lower := strings.ToLower(name)
	for mark, program := range map[string]string{"nginx": nginx, "openresty": nginx, "haproxy": haproxy, "caddy": caddy} {
		if strings.Contains(lower, mark) && !slices.Contains(p.known, program) {
			p.known = append(p.known, program)
		}
	}
}

// String returns the names for a sentence.
func (p *path) String() string {
	if len(p.names) == 0 {
		return "nobody on the way names itself"
	}
	return "on the way: " + strings.Join(p.names, ", ")
}

// cure returns the cures for who is on the way; where nobody is known, all.
func (p *path) cure(all ...Cure) []Cure {
	if len(p.known) == 0 {
		return all
	}
	var some []Cure
	for _, c := range all {
		if slices.Contains(p.known, c.For) || c.For == pushstream {
			some = append(some, c)
		}
	}
	return some
}
