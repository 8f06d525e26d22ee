package doctor

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// answer: is there a stream for this reader?
func (e *evidence) answer() Finding {
	f := Finding{Check: checkAnswer, Why: "a native EventSource gives up for good on any status but 200, and on any other content type"}
	r := e.idle
	if e.head.err != nil {
		return e.unreached(f)
	}
	switch {
	case r.reply.err != nil:
		f.Level, f.Measured = Fault, "HEAD was answered, GET broke off: "+clip(r.reply.err.Error(), 2*maxForeign)
	case r.answered.IsZero():
		f.Level, f.Measured = Skipped, fmt.Sprintf("HEAD answers %s, GET nothing yet after %s: see buffering", e.head, round(r.until.Sub(r.asked)))
	case r.isStream() && e.sentAway():
		f.Level, f.Measured = Fault, "the balancer itself answers, with an empty stream: no node behind it is ready"
	case r.isStream() && r.has(kindBye):
		b, _ := r.find(kindBye)
		f.Level, f.Measured = Fault, fmt.Sprintf("the node sends readers away (%q)", b.reason)
		if r.has(kindHello) { // it did, later
			f.Level, f.Measured = Warning, fmt.Sprintf("200 %s; later the node said goodbye (%q)", eventStream, b.reason)
		}
	case r.isStream() && r.has(kindHello):
		f.Level, f.Measured = OK, "200 "+eventStream
	case r.isStream() && r.over():
		// What collects has passed nothing on yet when it, or the next one on the way, ends the stream for its silence.
		f.Level, f.Measured = Fault, fmt.Sprintf("200 %s, ended after %s without a hello, %s", eventStream, round(r.until.Sub(r.asked)), ending(r.err))
		f.Cure = slices.Concat(e.bufferingCure(), e.idleCure())
	case r.isStream() && len(r.blocks) > 0:
		f.Level, f.Measured = Fault, fmt.Sprintf("200 %s, and no hello among what came in %s: something else answers /events", eventStream, round(r.until.Sub(r.asked)))
	case r.isStream():
		f.Level, f.Measured = OK, "200 "+eventStream
	case r.reply.status >= http.StatusMultipleChoices && r.reply.status < http.StatusBadRequest:
		f.Level, f.Measured = Fault, fmt.Sprintf("%s to %s: a browser does not take Authorization there, and a redirected POST loses its body", r.reply, place(r.reply.header.Get("Location")))
		f.Cure = []Cure{{"doctor", doSet, place(r.reply.header.Get("Location")), "the URL, here and in pages"}}
	case r.reply.status == http.StatusOK:
		f.Level, f.Measured = Fault, fmt.Sprintf("200, but the content type is %q: something else answers /events", foreign(r.reply.mediaType()))
	case r.reply.gateway():
		f.Level, f.Measured = Fault, r.reply.String()+": the proxy reaches no node"
	default:
		e.refusal(&f)
	}
	return f
}

// refusal judges a 4xx or 5xx.
func (e *evidence) refusal(f *Finding) {
	r := e.idle.reply
	f.Level, f.Measured = Fault, r.String()
	if !r.isNodes() {
		f.Measured += ", and not from a node"
		return
	}
	if r.status == http.StatusUnauthorized && e.cfg.Token == "" {
		f.Level, f.Measured = Skipped, r.String()+": the node wants a credential; give one with --token-file"
	}
}

// refused reports whether the node itself wants another credential. None helps where Authorization is taken away on the way to
// it, nor with a node in development mode, which looks at none and refuses whoever comes from elsewhere.
func (e *evidence) refused() bool {
	r := e.idle.reply
	switch told := e.tokenPasses(); r.status {
	case http.StatusUnauthorized:
		return r.isNodes() && told != stripped
	case http.StatusForbidden:
		return r.isNodes() && told == passes
	default:
		return false
	}
}

// noStream says why there is nothing to judge of the stream; "" where there is.
func (e *evidence) noStream() string {
	r := e.idle
	switch {
	case e.head.err != nil:
		return "nobody has answered"
	case r.has(kindHello):
		return ""
	case r.answered.IsZero() && r.reply.err == nil || r.isStream() && !r.over() && len(r.blocks) == 0:
		return "no block has come: see buffering"
	default:
		return "there is no stream: see answer"
	}
}

// noNode says why a proxy's own answers are not judged.
const noNode = "no node is behind the proxy: see answer"

// place returns a URL without what may be secret in it.
func place(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an unreadable place"
	}
	return foreign((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}
