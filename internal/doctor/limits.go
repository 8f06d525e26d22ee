package doctor

import (
	"fmt"
	"net/http"
)

// enough is the size of credential, in bytes, that nearly all tokens are below.
const enough = 4 << 10

// headerLimits: do long headers get through?
func (e *evidence) headerLimits() Finding {
	f := Finding{Check: checkLimits, Why: "a token may have 8 KiB, a cursor 128 bytes; who sends more than the proxy takes is refused for good"}
	if e.head.err != nil {
		return e.unreached(f)
	}
	if e.nobodyBehind() || len(e.tokens) == 0 {
		f.Level, f.Measured = Skipped, noNode
		return f
	}
	passed, answer := 0, e.tokens[0]
	for _, t := range e.tokens {
		if !t.refusedForSize() {
			passed = t.bytes
		}
	}
	f.Figures = map[string]int64{"authorization_bytes": int64(passed)}
	f.Level, f.Measured = OK, fmt.Sprintf("Authorization of %d bytes and Last-Event-ID of %d reach the node", maxToken, longCursor)
	switch {
	case refusedForSize(e.cursor):
		f.Level, f.Measured = Fault, fmt.Sprintf("Last-Event-ID of %d bytes: %s", longCursor, e.cursor)
	case passed == maxToken:
		return f
	default:
		f.Level, f.Measured = Fault, fmt.Sprintf("Authorization of %d bytes: %s; %d bytes get through", answer.bytes, answer.reply, passed)
		if passed >= enough {
			f.Level = Warning
		}
	}
	f.Cure = e.path().cure(
		Cure{nginx, doSet, "large_client_header_buffers 4 16k;", "http or server"},
		Cure{haproxy, doSet, "tune.bufsize 32768", "global"},
		Cure{caddy, doSet, "max_header_size 32KB", "global options, servers { }"})
	if answer.status == http.StatusRequestHeaderFieldsTooLarge { // as a node answers that has a limit
		f.Cure = append(f.Cure, Cure{pushstream, doSet, "limits: {header_bytes: 32KiB}", "the settings of every node"})
	}
	return f
}

func (s sized) refusedForSize() bool { return refusedForSize(s.reply) }

// refusedForSize reports whether an answer is what somebody says, or does, who finds a request too large. A node that was
// reached answers with a problem.
func refusedForSize(r reply) bool {
	if r.err != nil {
		return true
	}
	if r.isNodes() {
		return false
	}
	const tooLargeForNginx = 494
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge, tooLargeForNginx:
		return true
	default:
		return r.status >= http.StatusInternalServerError
	}
}
