package httpapi_test

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// headerReasons says why GET /events has each header. One that is not named here fails the test, also with -update.
var headerReasons = map[string]string{
	"Access-Control-Allow-Origin":   "pages of this origin may read the answer (Fetch, CORS protocol); never *, which would let in all",
	"Access-Control-Expose-Headers": "scripts see when to try again (Fetch, CORS protocol)",
	"Cache-Control":                 "no-store: events are not to be given to anybody else or again; no-transform: who compresses holds blocks back (RFC 9111, sections 5.2.2.5 and 5.2.2.6)",
	"Connection":                    "HTTP/1.1: the stream ends with its connection, so that it needs no chunks (RFC 9112, section 6.3)",
	"Content-Type":                  "anything else ends a native EventSource for good (HTML, section 9.2.2); it has no charset, since it is always UTF-8",
	"Date":                          "a server with a clock sends it (RFC 9110, section 6.6.1)",
	"Referrer-Policy":               "the names in the URL are not told to others (Referrer Policy)",
	"Vary":                          "what is allowed depends on the origin that asks (Fetch, CORS protocol)",
	"X-Accel-Buffering":             "nginx with its defaults passes on nothing for seconds; this is what it understands",
	"X-Content-Type-Options":        "data is never taken for a page or a script (Fetch, X-Content-Type-Options)",
}

const streamOrigin = "http://localhost:3000"

// rawHeader asks over a bare HTTP/1.1 connection: http.Client hides what frames the body.
func rawHeader(t *testing.T, n *node, method string) http.Header {
	t.Helper()
	address := strings.TrimPrefix(n.url, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s /events?user=alice HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n\r\n", method, address, streamOrigin)
	require.NoError(t, err)
	lines := textproto.NewReader(bufio.NewReader(conn))
	status, err := lines.ReadLine()
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK", status)
	header, err := lines.ReadMIMEHeader()
	require.NoError(t, err)
	return http.Header(header)
}

func TestHeadersOfAStream(t *testing.T) {
	n := newNode(t)
	var golden strings.Builder
	golden.WriteString("# The headers of GET /events, each with its reason. go test ./internal/httpapi -update writes them anew.\n")
	write := func(protocol string, header http.Header) {
		fmt.Fprintf(&golden, "\n%s\n", protocol)
		for _, name := range slices.Sorted(maps.Keys(header)) {
			reason := headerReasons[name]
			require.NotEmpty(t, reason, "%s: nobody knows why it is sent", name)
			for _, value := range header[name] {
				if name == "Date" {
					_, err := http.ParseTime(value)
					require.NoError(t, err)
					value = "(now)"
				}
				fmt.Fprintf(&golden, "  %s: %s\n      %s\n", name, value, reason)
			}
		}
	}
	first := rawHeader(t, n, http.MethodGet)
	write("HTTP/1.1", first)
	head := rawHeader(t, n, http.MethodHead)
	n.http2(t)
	r, _ := n.live(t, "user=alice", "Origin: "+streamOrigin)
	require.Equal(t, 2, r.response.ProtoMajor)
	write("HTTP/2", r.response.Header)

	// HEAD has the fields of GET, but those that frame a body (RFC 9110, section 9.3.2).
	for _, h := range []http.Header{first, head} {
		h.Del("Connection")
		h.Del("Date")
	}
	require.Equal(t, first, head)

	const name = "testdata/headers.golden"
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(golden.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String())
}

// A stream that only says when to come back looks like any other to a browser.
func TestHeadersOfARefusedStream(t *testing.T) {
	n := newNode(t, func(s *settings) { s.idle = true })
	r := n.open(t, "user=alice", "Origin: "+streamOrigin)
	refused := r.response.Header
	r.close()
	n.run(t)
	r, _ = n.live(t, "user=alice", "Origin: "+streamOrigin)
	served := r.response.Header
	for _, h := range []http.Header{refused, served} {
		h.Del("Date")
		h.Del("Connection")
	}
	require.Equal(t, served, refused)
}
