package doctor

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
)

func TestHeaderLimits(t *testing.T) {
	const cure = "large_client_header_buffers 4 16k;"
	refused := func(status int) reply {
		return reply{status: status, header: http.Header{"Content-Type": {"text/html"}}}
	}
	// As http.Client says them.
	unreachable := &url.Error{Op: "Head", URL: "http://events.example", Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	lost := func(bytes int) sized {
		return sized{reply{err: &url.Error{Op: "Head", URL: "http://events.example", Err: context.DeadlineExceeded}, took: shortTimeout}, bytes}
	}
	of := func(tokens ...sized) func(*evidence) { return func(e *evidence) { e.tokens = tokens } }
	judge(t, (*evidence).headerLimits, map[string]sick{
		"only 4 KiB":           {of(sized{refused(400), 8192}, sized{okReply(), 4096}), Warning, "8192 bytes: 400 Bad Request; 4096 bytes get through", cure},
		"only 2 KiB":           {of(sized{refused(431), 8192}, sized{refused(431), 4096}, sized{okReply(), 2048}), Fault, "2048 bytes get through", cure},
		"resets":               {of(sized{reply{err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}, 8192}, sized{okReply(), 64}), Fault, "connection reset", cure},
		"hangs up":             {of(sized{reply{err: errTest}, 8192}, sized{okReply(), 64}), Fault, "8192 bytes: test", cure},
		"silent, but 4 KiB":    {of(lost(8192), sized{okReply(), 4096}), Warning, "8192 bytes: no answer in 10s; 4096 bytes get through", ""},
		"silent, then refused": {of(lost(8192), sized{refused(431), 4096}, sized{okReply(), 2048}), Fault, "4096 bytes: 431", cure},
		"silent":               {of(lost(8192), lost(4096), lost(2048), lost(64)), Skipped, "Authorization of 64 to 8192 bytes: no answer in 10s", ""},
		"no connection":        {of(sized{reply{err: unreachable}, 8192}), Skipped, "connection refused", ""},
		"no connection later":  {func(e *evidence) { e.cursor = lost(128).reply }, Skipped, "Last-Event-ID of 128 bytes: no answer in 10s", ""},
		"node refuses":         {of(sized{reply{status: 401, header: http.Header{"Content-Type": {problemJSON}}}, 8192}), OK, "reach the node", ""},
		"no long cursor":       {func(e *evidence) { e.cursor = refused(400) }, Fault, "Last-Event-ID of 128 bytes: 400", cure},
		"no node":              {func(e *evidence) { e.head = refused(502) }, Skipped, "no node", ""},
	})
}
