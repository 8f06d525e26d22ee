package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

const (
	// renewBefore is how long before its end a certificate should have been replaced: those that replace themselves do it a
	// month before.
	renewBefore = 14 * day
	day         = 24 * time.Hour
)

// security: is the certificate believed, and for how long?
func (e *evidence) security() Finding {
	f := Finding{Check: checkTLS, Why: "without it anybody on the way reads tokens and events, and browsers speak no HTTP/2; when the certificate ends, so do all streams"}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(e.head.err, &certificate):
		f.Level, f.Measured = Fault, "the certificate is not believed: "+clip(certificate.Err.Error(), 2*maxForeign)
		f.Cure = []Cure{
			{nginx, doSet, "ssl_certificate /etc/nginx/fullchain.pem;", "server: the chain, not the certificate alone"},
			{haproxy, doSet, "bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1", "frontend: the chain and the key in one file"},
			{caddy, doSet, "tls /etc/caddy/fullchain.pem /etc/caddy/privkey.pem", "site; nothing at all for a public domain"},
			{"doctor", doSet, "--ca-file ca.pem", "the command line, where the authority is one of your own"},
		}
		return f
	case e.head.err != nil:
		return e.unreached(f)
	case e.head.tls == nil:
		f.Level, f.Measured = Skipped, "plain HTTP was asked for"
		return f
	}
	left := time.Duration(0)
	if chain := e.head.tls.PeerCertificates; len(chain) > 0 {
		left = time.Until(chain[0].NotAfter)
	}
	f.Level = OK
	f.Measured = fmt.Sprintf("%s, the certificate is good for %d days", tls.VersionName(e.head.tls.Version), left/day)
	f.Figures = map[string]int64{"days_left": int64(left / day)}
	if left < renewBefore {
		f.Level = Warning
		f.Cure = e.path().cure(
			Cure{nginx, doSet, "ssl_certificate /etc/nginx/fullchain.pem;", "server: renew the file, then reload"},
			Cure{haproxy, doSet, "bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1", "frontend: renew the file, then reload"},
			Cure{caddy, doSet, "email admin@example.com", "global options; Caddy renews by itself, its log says why it cannot"})
	}
	return f
}
