package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errTest = errors.New("test")

func TestAnswer(t *testing.T) {
	answered := func(status int, contentType string) func(*evidence) {
		return func(e *evidence) {
			e.idle = record{reply: reply{status: status, header: http.Header{"Content-Type": {contentType}}}, answered: at(1), ended: true}
		}
	}
	ended := func(err error, blocks ...block) func(*evidence) {
		return func(e *evidence) {
			e.idle = record{reply: okReply(), asked: began, answered: at(1), until: at(2000), blocks: blocks, ended: true, err: err}
		}
	}
	judge(t, (*evidence).answer, map[string]sick{
		"page":        {answered(200, "text/html; charset=utf-8"), Fault, `the content type is "text/html"`, ""},
		"gateway":     {answered(502, "text/html"), Fault, "the proxy reaches no node", ""},
		"not found":   {answered(404, "text/html"), Fault, "404 Not Found, and not from a node", ""},
		"refused":     {answered(403, problemJSON), Fault, "403 Forbidden", ""},
		"anonymous":   {answered(401, problemJSON), Skipped, "the node wants a credential", ""},
		"proxy's own": {answered(401, "text/html"), Fault, "not from a node", ""},
		"wrong token": {func(e *evidence) { answered(401, problemJSON)(e); e.cfg.Token = "x" }, Fault, "401", ""},
		"away":        {func(e *evidence) { e.idle = record{reply: okReply(), answered: at(1), ended: true, retry: true} }, Fault, "no node behind it is ready", ""},
		"at once":     {ended(nil), Fault, "200 text/event-stream, ended after 2s without a hello, as if it were over (FIN)", "proxy_buffering off;"},
		"in between":  {ended(io.ErrUnexpectedEOF, block{at: at(5), kind: "message"}), Fault, "without a hello, in the middle of the answer", "proxy_buffering off;"},
		"foreign":     {func(e *evidence) { e.idle.blocks, e.idle.until = []block{{at: at(5), kind: "message"}}, at(6000) }, Fault, "no hello among what came in 6s", ""},
		"silent":      {func(e *evidence) { e.idle.blocks = nil }, OK, "200", ""},
		"bye":         {func(e *evidence) { e.idle.blocks = []block{{kind: kindBye, reason: "overloaded"}} }, Fault, `sends readers away ("overloaded")`, ""},
		"later":       {func(e *evidence) { e.idle.blocks[3].kind = kindBye }, Warning, "later", ""},
		"broken off":  {func(e *evidence) { e.idle = record{reply: reply{err: errTest}} }, Fault, "GET broke off: test", ""},
		"nothing":     {func(e *evidence) { e.idle = record{asked: began, until: at(6000)} }, Skipped, "GET nothing yet after 6s", ""},
	})
}

// Nginx that buffers loses what it has collected when it is tired of the silence, so both lines are named.
func TestAStreamThatEndsBeforeItBegins(t *testing.T) {
	e := well()
	e.idle = record{reply: okReply("Server", "nginx"), asked: began, answered: at(1), until: at(2000), ended: true}
	var lines []string
	for _, c := range e.answer().Cure {
		lines = append(lines, c.Line)
	}
	require.Equal(t, []string{"proxy_buffering off;", "proxy_read_timeout 60s;"}, lines)
	require.Equal(t, Fault, e.report().Level)
	for _, check := range []func(*evidence) Finding{(*evidence).buffering, (*evidence).idleTimeout, (*evidence).resume} {
		require.Contains(t, check(e).Measured, "see answer")
	}
	e.idle = streamOf(6000, "none", kindPing)
	e.idle.blocks = []block{{at: at(5), kind: "message"}}
	require.Contains(t, e.buffering().Measured, "see answer")
}

func TestTheNodeWantsAnotherCredential(t *testing.T) {
	answers := func(status int, contentType, challenge string) reply {
		return reply{status: status, header: http.Header{"Content-Type": {contentType}, "Www-Authenticate": {challenge}}}
	}
	const got = `Bearer error="invalid_token"`
	for name, c := range map[string]struct {
		stream, noise reply
		refused       bool
	}{
		"well":       {okReply(), okReply(), false},
		"anonymous":  {answers(401, problemJSON, "Bearer"), answers(401, problemJSON, got), true},
		"too little": {answers(403, problemJSON, ""), answers(401, problemJSON, got), true},
		"proxy":      {answers(401, "text/html", "Basic"), answers(401, "text/html", "Basic"), false},
		"overloaded": {answers(503, problemJSON, ""), answers(401, problemJSON, got), false},
		"elsewhere":  {answers(403, problemJSON, ""), answers(403, problemJSON, ""), false},
		"taken away": {answers(401, problemJSON, "Bearer"), answers(401, problemJSON, "Bearer"), false},
	} {
		e := well()
		e.idle.reply, e.tokens = c.stream, []sized{{c.noise, maxToken}}
		require.Equal(t, c.refused, e.report().Refused, name)
	}
}

func TestSecurity(t *testing.T) {
	lasting := func(days int) func(*evidence) Finding {
		return func(e *evidence) Finding {
			if e.head.tls == nil && e.head.proto == "HTTP/2.0" {
				end := time.Now().Add(time.Duration(days)*day + time.Hour)
				e.head.tls = &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{NotAfter: end}}}
			}
			return e.security()
		}
	}
	judge(t, lasting(90), map[string]sick{
		"plain":    {func(e *evidence) { e.head.proto = "HTTP/1.1" }, Skipped, "plain HTTP", ""},
		"nobody":   {func(e *evidence) { e.head.err = errTest }, Skipped, "nobody has answered", ""},
		"believed": {func(*evidence) {}, OK, "TLS 1.3, the certificate is good for 90 days", ""},
	})
	e := well()
	if f := lasting(3)(e); f.Level != Warning || f.Figures["days_left"] != 3 || len(f.Cure) != 3 {
		t.Errorf("a certificate that ends soon: %+v", f)
	}
}

func TestHTTPVersion(t *testing.T) {
	judge(t, (*evidence).httpVersion, map[string]sick{
		"plain": {func(e *evidence) { e.head.proto = "HTTP/1.1" }, Warning, "as everywhere without TLS", "listen 443 ssl http2;"},
		"TLS":   {func(e *evidence) { e.head.proto, e.head.tls = "HTTP/1.1", &tls.ConnectionState{} }, Warning, "although we offered HTTP/2", "listen 443 ssl http2;"},
	})
}
