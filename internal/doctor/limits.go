package doctor

import (
	"errors"
	"fmt"
	"net"
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
		if t.passes() {
			passed = t.bytes
		}
		if refusedForSize(t.reply) && !refusedForSize(answer.reply) {
			answer = t
		}
	}
	f.Figures = map[string]int64{"authorization_bytes": int64(passed)}
	f.Level, f.Measured = OK, fmt.Sprintf("Authorization of %d bytes and Last-Event-ID of %d reach the node", maxToken, longCursor)
	switch {
	case refusedForSize(e.cursor):
		f.Level, f.Measured = Fault, fmt.Sprintf("Last-Event-ID of %d bytes: %s", longCursor, e.cursor)
	case unanswered(e.cursor):
		f.Level, f.Measured = Skipped, fmt.Sprintf("Last-Event-ID of %d bytes: %s", longCursor, lost(e.cursor))
		return f
	case passed == maxToken:
		return f
	case passed == 0 && unanswered(answer.reply):
		f.Figures = nil // it is not that nothing gets through
		f.Level, f.Measured = Skipped, fmt.Sprintf("Authorization of %d to %d bytes: %s", e.tokens[len(e.tokens)-1].bytes, answer.bytes, lost(answer.reply))
		return f
	default:
		f.Level, f.Measured = Fault, fmt.Sprintf("Authorization of %d bytes: %s; %d bytes get through", answer.bytes, lost(answer.reply), passed)
		if passed >= enough {
			f.Level = Warning
		}
		if unanswered(answer.reply) { // a limit answers, or hangs up, so none of the lines below would help
			return f
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

// passes reports whether a node, or somebody who does not mind its size, has got it.
func (s sized) passes() bool { return !refusedForSize(s.reply) && !unanswered(s.reply) }

// unanswered reports whether a request was lost, or never sent. That is not what somebody does who finds it too large.
func unanswered(r reply) bool {
	timeout, timed := errors.AsType[net.Error](r.err)
	op, operated := errors.AsType[*net.OpError](r.err)
	return timed && timeout.Timeout() || operated && op.Op == "dial"
}

// lost says what an answer is, and of a time-out, how long there was none.
func lost(r reply) string {
	if timeout, timed := errors.AsType[net.Error](r.err); timed && timeout.Timeout() {
		return "no answer in " + round(r.took)
	}
	return r.String()
}

// refusedForSize reports whether an answer is what somebody says, or does, who finds a request too large: hanging up too. A
// node that was reached answers with a problem.
func refusedForSize(r reply) bool {
	if r.err != nil {
		return !unanswered(r)
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
