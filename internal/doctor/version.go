package doctor

// httpVersion: HTTP/2, or only six tabs?
func (e *evidence) httpVersion() Finding {
	f := Finding{Check: checkHTTPVersion, Why: "over HTTP/1.1 a browser opens six connections to an origin: with six tabs that each hold a stream, the seventh request waits for ever"}
	if e.head.err != nil {
		return e.unreached(f)
	}
	f.Level, f.Measured = OK, foreign(e.head.proto)
	if e.head.proto != "HTTP/1.1" && e.head.proto != "HTTP/1.0" {
		return f
	}
	f.Level = Warning
	if e.head.tls == nil {
		f.Measured += ", as everywhere without TLS"
	} else {
		f.Measured += ", although we offered HTTP/2 (ALPN)"
	}
	f.Cure = e.path().cure(
		Cure{nginx, doSet, "listen 443 ssl http2;", "server; since 1.25.1 without its last word, and: http2 on;"},
		Cure{haproxy, doSet, "bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1", "frontend"},
		Cure{caddy, doSet, "events.example.com {", "in place of :8080 {, with your domain"})
	return f
}
