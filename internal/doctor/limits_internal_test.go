package doctor

import (
	"net/http"
	"testing"
)

func TestHeaderLimits(t *testing.T) {
	const cure = "large_client_header_buffers 4 16k;"
	refused := func(status int) reply {
		return reply{status: status, header: http.Header{"Content-Type": {"text/html"}}}
	}
	of := func(tokens ...sized) func(*evidence) { return func(e *evidence) { e.tokens = tokens } }
	judge(t, (*evidence).headerLimits, map[string]sick{
		"only 4 KiB":     {of(sized{refused(400), 8192}, sized{okReply(), 4096}), Warning, "8192 bytes: 400 Bad Request; 4096 bytes get through", cure},
		"only 2 KiB":     {of(sized{refused(431), 8192}, sized{refused(431), 4096}, sized{okReply(), 2048}), Fault, "2048 bytes get through", cure},
		"hangs up":       {of(sized{reply{err: errTest}, 8192}, sized{okReply(), 64}), Fault, "8192 bytes: test", cure},
		"node refuses":   {of(sized{reply{status: 401, header: http.Header{"Content-Type": {problemJSON}}}, 8192}), OK, "reach the node", ""},
		"no long cursor": {func(e *evidence) { e.cursor = refused(400) }, Fault, "Last-Event-ID of 128 bytes: 400", cure},
		"no node":        {func(e *evidence) { e.head = refused(502) }, Skipped, "no node", ""},
	})
}
