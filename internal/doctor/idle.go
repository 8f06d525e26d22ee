package doctor

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// idleTimeout: does a stream outlive its silences?
func (e *evidence) idleTimeout() Finding {
	f := Finding{Check: checkIdle, Why: "a proxy ends what is silent for longer than it likes; every cut is a reconnect of every reader"}
	if why := e.noStream(); why != "" {
		f.Level, f.Measured = Skipped, why
		return f
	}
	r, heartbeat := e.idle, e.heartbeat()
	longest, last := r.silences()
	age := r.until.Sub(r.asked)
	f.Figures = map[string]int64{
		"age_ms": age.Milliseconds(), "heartbeat_ms": heartbeat.Milliseconds(), "silence_ms": longest.Milliseconds(), "last_silence_ms": last.Milliseconds(),
	}
	bye, goodbye := r.find(kindBye)
	switch {
	case goodbye:
		f.Level, f.Measured = Warning, fmt.Sprintf("the node itself ended the stream after %s (%q); ask again", round(age), bye.reason)
	case r.ended && r.has(kindPing) && last < heartbeat*4/5:
		f.Level, f.Measured = Fault, fmt.Sprintf("cut after %s in all, %s after the last block, %s: something bounds a whole answer", round(age), round(last), ending(r.err))
		f.Cure = e.path().cure(
			Cure{caddy, doSet, "write 0", "global options, servers { timeouts { } }"})
	case r.ended:
		f.Level, f.Measured = Fault, fmt.Sprintf("cut after %s of silence, %s; the heartbeat is %s", round(last), ending(r.err), round(heartbeat))
		f.Cure = e.idleCure()
	case longest > 2*heartbeat+soon:
		f.Level, f.Measured = Fault, fmt.Sprintf("nothing for %s, with a heartbeat of %s, and no end: something holds pings back, or has forgotten the connection without a word", round(longest), round(heartbeat))
		f.Cure = e.idleCure()
	case age < 2*heartbeat:
		f.Level, f.Measured = Skipped, fmt.Sprintf("still open after %s, which is less than two heartbeats of %s", round(age), round(heartbeat))
	default:
		f.Level, f.Measured = OK, fmt.Sprintf("still open after %s, the longest silence was %s, with a heartbeat of %s", round(age), round(longest), round(heartbeat))
	}
	return f
}

// idleCure allows for four heartbeats, and no less than the files of deploy/ do.
func (e *evidence) idleCure() []Cure {
	wait := max(time.Minute, 4*e.heartbeat().Round(time.Second))
	seconds := fmt.Sprintf("%ds", int(wait.Seconds()))
	return e.path().cure(
		Cure{nginx, doSet, "proxy_read_timeout " + seconds + ";", inLocation},
		Cure{haproxy, doSet, "timeout server " + seconds, "defaults, and whatever frontend or backend has its own"},
		Cure{haproxy, doSet, "timeout client " + seconds, "defaults, and whatever frontend has its own"},
		Cure{caddy, doSet, "read_timeout " + seconds, "reverse_proxy, transport http { }"})
}

// ending says how a stream was ended.
func ending(err error) string {
	switch {
	case err == nil:
		return "as if it were over (FIN)"
	case errors.Is(err, syscall.ECONNRESET):
		return "by a reset (RST)"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "in the middle of the answer"
	case strings.Contains(err.Error(), "stream error"), strings.Contains(err.Error(), "GOAWAY"):
		return "by a reset of the HTTP/2 stream"
	default:
		return "by " + foreign(err.Error())
	}
}
