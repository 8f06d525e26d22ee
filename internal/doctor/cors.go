package doctor

import (
	"fmt"
	"net/http"
	"strings"
)

const allowOrigin = "Access-Control-Allow-Origin"

// crossOrigin: may pages of the origin read, and come back?
func (e *evidence) crossOrigin() Finding {
	f := Finding{Check: checkCORS, Why: "a browser shows pages of another origin nothing without the right headers, and nothing either when they are there twice"}
	switch {
	case e.head.err != nil:
		return e.unreached(f)
	case e.cfg.Origin == "":
		f.Level, f.Measured = Skipped, "give the origin of your pages with --origin"
		return f
	case e.nobodyBehind():
		f.Level, f.Measured = Skipped, noNode
		return f
	case e.preflight.err != nil:
		f.Level, f.Measured = Fault, "OPTIONS: "+e.preflight.String()
		f.Cure = e.optionsCure()
		return f
	case e.cors.err != nil:
		f.Level, f.Measured = Fault, "HEAD with Origin: "+e.cors.String()
		return f
	}
	preflight, answer := values(e.preflight.header, allowOrigin), values(e.cors.header, allowOrigin)
	f.Figures = map[string]int64{"preflight_status": int64(e.preflight.status), "preflight_origins": int64(len(preflight)), "answer_origins": int64(len(answer))}
	switch {
	case len(preflight) > 1 || len(answer) > 1:
		f.Level = Fault
		f.Measured = fmt.Sprintf("%s is there %d times in the preflight's answer, %d times in the stream's: the proxy adds its own", allowOrigin, len(preflight), len(answer))
		f.Cure = e.path().cure(
			Cure{nginx, doRemove, "add_header Access-Control-Allow-Origin", inLocation},
			Cure{haproxy, doRemove, "http-response add-header Access-Control-Allow-Origin", "frontend and backend; set-header too"},
			Cure{caddy, doRemove, "header +Access-Control-Allow-Origin", "site; header_down too"})
	case len(answer) == 0 && len(preflight) == 0:
		f.Level, f.Measured = Fault, fmt.Sprintf("%s is not allowed: OPTIONS answers %s without %s", foreign(e.cfg.Origin), e.preflight, allowOrigin)
		f.Cure = []Cure{{pushstream, doSet, fmt.Sprintf("cors: {origins: [%q]}", e.cfg.Origin), "the settings of every node"}}
		f.Cure = append(f.Cure, e.originCure()...)
	case !e.allows(answer):
		f.Level, f.Measured = Fault, fmt.Sprintf("the stream's answer has %s %q, not the origin that asked", allowOrigin, foreign(strings.Join(answer, ", ")))
		f.Cure = e.originCure()
	case !e.allows(preflight) || e.preflight.status >= http.StatusMultipleChoices || !e.asksBack():
		f.Level, f.Measured = Fault, fmt.Sprintf("the stream may be read, but not come back to: OPTIONS answers %s and allows the headers %q", e.preflight, foreign(e.preflight.header.Get("Access-Control-Allow-Headers")))
		f.Cure = e.optionsCure()
	case answer[0] != "*" && !contains(values(e.cors.header, "Vary"), "origin"):
		f.Level, f.Measured = Warning, "allowed, but Vary: Origin was taken away: a cache may give the answer to pages of other origins"
		f.Cure = e.path().cure(
			Cure{nginx, doRemove, "proxy_hide_header Vary;", inLocation},
			Cure{haproxy, doRemove, "http-response del-header Vary", "frontend and backend"},
			Cure{caddy, doRemove, "header_down -Vary", "reverse_proxy; header -Vary too"})
	default:
		f.Level, f.Measured = OK, fmt.Sprintf("OPTIONS answers %s; the origin is allowed once, with last-event-id and authorization", e.preflight)
	}
	return f
}

func (e *evidence) allows(origins []string) bool {
	return len(origins) == 1 && (origins[0] == e.cfg.Origin || origins[0] == "*")
}

// asksBack reports whether a page may send what it needs to come back. A star does not stand for Authorization (Fetch,
// section 4.9).
func (e *evidence) asksBack() bool {
	allowed := values(e.preflight.header, "Access-Control-Allow-Headers")
	return contains(allowed, "authorization") && (contains(allowed, "last-event-id") || contains(allowed, "*"))
}

func (e *evidence) optionsCure() []Cure {
	return e.path().cure(
		Cure{nginx, doRemove, "if ($request_method = OPTIONS)", inLocation + ": the node answers it"},
		Cure{haproxy, doRemove, "http-request return if METH_OPTIONS", "frontend: the node answers it"},
		Cure{caddy, doRemove, "method OPTIONS", "site: the node answers it"})
}

func (e *evidence) originCure() []Cure {
	return e.path().cure(
		Cure{nginx, doSet, "proxy_set_header Origin $http_origin;", inLocation + ", if the node has the origin"},
		Cure{haproxy, doRemove, "http-request del-header Origin", "frontend and backend, if the node has the origin"},
		Cure{caddy, doRemove, "header_up -Origin", "reverse_proxy, if the node has the origin"})
}

// values returns the members of a list that may be on many lines.
func values(h http.Header, name string) []string {
	var all []string
	for _, line := range h.Values(name) {
		for value := range strings.SplitSeq(line, ",") {
			if value = strings.TrimSpace(value); value != "" {
				all = append(all, value)
			}
		}
	}
	return all
}

func contains(all []string, wanted string) bool {
	for _, value := range all {
		if strings.EqualFold(value, wanted) {
			return true
		}
	}
	return false
}
