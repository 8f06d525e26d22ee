package doctor

import (
	"net/http"
	"strings"
)

// headersPass: does what readers send reach the node?
func (e *evidence) headersPass() Finding {
	f := Finding{Check: checkHeaders, Why: "without Last-Event-ID a reader that comes back misses events and is not told; without Authorization nobody gets in; without the query there are no topics"}
	if e.head.err != nil {
		return e.unreached(f)
	}
	var good, untold []string
	var bad []string
	for _, part := range []struct {
		name string
		told verdict
		cure func() []Cure
	}{
		{"Last-Event-ID", e.cursorPasses(), e.cursorCure},
		{"the query", e.queryPasses(), e.queryCure},
		{"Authorization", e.tokenPasses(), e.tokenCure},
	} {
		switch part.told {
		case passes:
			good = append(good, part.name)
		case stripped:
			bad = append(bad, part.name)
			f.Cure = append(f.Cure, part.cure()...)
		case unknown:
			untold = append(untold, part.name)
		}
	}
	var sentences []string
	for _, s := range []struct {
		names []string
		what  string
	}{{bad, "taken away: "}, {good, "reaches the node: "}, {untold, "cannot be told: "}} {
		if len(s.names) > 0 {
			sentences = append(sentences, s.what+strings.Join(s.names, ", "))
		}
	}
	f.Measured = strings.Join(sentences, "; ")
	switch {
	case len(bad) > 0:
		f.Level = Fault
	case len(good) > 0:
		f.Level = OK
	default:
		f.Level = Skipped
	}
	return f
}

// verdict says what became of something that we sent.
type verdict int

const (
	unknown verdict = iota
	passes
	stripped
)

// resumedWith judges by what the hello says of a cursor.
func resumedWith(r record) verdict {
	b, found := r.find(kindHello)
	switch {
	case !found:
		return unknown
	case b.hello.Resumed == "replaying":
		return passes
	default:
		return stripped
	}
}

func (e *evidence) cursorPasses() verdict { return resumedWith(e.byHeader) }

// queryPasses wants the cursor and the form that the query asks for.
func (e *evidence) queryPasses() verdict {
	told := resumedWith(e.byQuery)
	if b, _ := e.byQuery.find(kindHello); told == passes && !b.envelope {
		return stripped
	}
	return told
}

// tokenPasses asks with a credential that no node knows: one that has got it says so (RFC 6750, section 3.1), and one that
// has not asks for it.
func (e *evidence) tokenPasses() verdict {
	for _, t := range e.tokens {
		if t.status != http.StatusUnauthorized || !t.isNodes() {
			continue
		}
		if strings.Contains(t.header.Get("WWW-Authenticate"), "error=") {
			return passes
		}
		return stripped
	}
	return unknown // in development mode every credential is as good as none
}

func (e *evidence) cursorCure() []Cure {
	return e.path().cure(
		Cure{nginx, doSet, "proxy_set_header Last-Event-ID $http_last_event_id;", inLocation},
		Cure{haproxy, doRemove, "http-request del-header Last-Event-ID", "frontend and backend"},
		Cure{caddy, doRemove, "header_up -Last-Event-ID", "reverse_proxy; request_header too"})
}

func (e *evidence) queryCure() []Cure {
	return e.path().cure(
		Cure{nginx, doSet, "proxy_pass http://nodes;", "location: no path behind the name, and no $uri, which has no query"},
		Cure{haproxy, doRemove, "http-request set-query", "frontend and backend; set-uri too"},
		Cure{caddy, doRemove, "rewrite", "site; uri query too"})
}

func (e *evidence) tokenCure() []Cure {
	return e.path().cure(
		Cure{nginx, doSet, "proxy_set_header Authorization $http_authorization;", inLocation},
		Cure{haproxy, doRemove, "http-request del-header Authorization", "frontend and backend"},
		Cure{caddy, doRemove, "header_up -Authorization", "reverse_proxy; request_header too"})
}
