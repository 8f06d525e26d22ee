package doctor

import (
	"fmt"
	"strings"
	"time"
)

// compression: is the stream left as it is?
func (e *evidence) compression() Finding {
	f := Finding{Check: checkCompression, Why: "what compresses collects first: events wait until there is enough of them"}
	if why := e.noStream(); why != "" {
		f.Level, f.Measured = Skipped, why
		return f
	}
	packed := e.trial.packed
	coding := codingOf(packed)
	switch {
	case packed.reply.err != nil:
		f.Level, f.Measured = Fault, "a stream that was asked for with "+codings+" broke off: "+packed.reply.String()
	case packed.answered.IsZero():
		f.Level, f.Measured = Fault, "a stream that was asked for with "+codings+" has not even headers"
	case coding == "" && codingOf(e.idle) != "":
		f.Level, f.Measured = Fault, fmt.Sprintf("the stream is compressed (%s) although that was not asked for", codingOf(e.idle))
	case coding != "" && e.packedAtOnce():
		f.Level, f.Measured = Warning, fmt.Sprintf("the stream is compressed (%s), but blocks come at once; it costs the proxy memory for each reader", coding)
	case coding != "":
		f.Level, f.Measured = Fault, fmt.Sprintf("the stream is compressed (%s), and blocks are held back", coding)
	case len(packed.blocks) == 0:
		f.Level, f.Measured = Fault, "a stream that was asked for with "+codings+" has no block"
	case !strings.Contains(strings.ToLower(packed.reply.header.Get("Cache-Control")), "no-transform"):
		f.Level, f.Measured = Warning, "not compressed, but Cache-Control: no-transform was taken away: the next one on the way may do it"
		f.Cure = e.path().cure(
			Cure{nginx, doRemove, "proxy_hide_header Cache-Control;", inLocation},
			Cure{haproxy, doRemove, "http-response del-header Cache-Control", "frontend and backend; set-header and replace-header too"},
			Cure{caddy, doRemove, "header_down -Cache-Control", "reverse_proxy; header Cache-Control too"})
		return f
	default:
		f.Level, f.Measured = OK, "asked for with "+codings+": not compressed"
		return f
	}
	f.Cure = e.path().cure(
		Cure{nginx, doSet, "gzip off;", inLocation},
		Cure{haproxy, doRemove, "text/event-stream", "compression type, of frontend and backend"},
		Cure{caddy, doSet, "@short not path /events", "site, and in place of encode gzip: encode @short gzip"})
	return f
}

// codingOf returns how a stream is compressed; "" if it is not.
func codingOf(r record) string {
	coding := strings.ToLower(r.reply.header.Get("Content-Encoding"))
	if coding == "identity" {
		return ""
	}
	return foreign(coding)
}

// packedAtOnce reports whether the compressed stream has all that the plain one has, in time. Of a coding that we cannot read
// it knows only when bytes came.
func (e *evidence) packedAtOnce() bool {
	packed := e.trial.packed
	events, _ := e.published()
	if len(packed.blocks) == 0 {
		if len(packed.reads) == 0 || packed.reads[0].Sub(packed.asked) > soon {
			return false
		}
		last := packed.reads[len(packed.reads)-1]
		return len(events) == 0 || last.After(events[len(events)-1].at)
	}
	if packed.blocks[0].at.Sub(packed.asked) > soon {
		return false
	}
	came := arrivals(packed)
	late := time.Duration(0)
	for i, s := range events {
		when, arrived := came[i+1]
		if !arrived {
			return false
		}
		late = max(late, when.Sub(s.at))
	}
	return late <= soon
}
