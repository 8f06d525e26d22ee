package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// reachTimeout is how long an address may take to answer before it is left out.
const reachTimeout = 5 * time.Second

// endpoint is one address that readers connect to.
type endpoint struct {
	address string // IP and port
	name    string // of the host, for TLS
	host    string // as the request names it
	path    string
	secure  bool
	http2   *http.Transport // nil for HTTP/1.1
}

// endpoints returns the addresses of URLs. A name may have some that nobody listens on, like the IPv6 one of localhost: those
// are left out.
func endpoints(ctx context.Context, urls []string) ([]endpoint, error) {
	var found []endpoint
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("it is no URL") // the error would quote it, and it may have a password
		}
		port := u.Port()
		if port == "" {
			port = map[bool]string{false: "80", true: "443"}[u.Scheme == "https"]
		}
		ips, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", u.Hostname(), err)
		}
		var failed error
		before := len(found)
		for _, ip := range ips {
			e := endpoint{
				address: net.JoinHostPort(ip, port), name: u.Hostname(), host: u.Host,
				path: strings.TrimSuffix(u.EscapedPath(), "/") + "/events", secure: u.Scheme == "https",
			}
			if err = reach(ctx, e.address); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			found = append(found, e)
		}
		if len(found) == before {
			return nil, fmt.Errorf("connect to %s: %w", u.Host, failed)
		}
	}
	return found, nil
}

func reach(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// appendRequest appends a reader's request to an endpoint.
func (s *shard) appendRequest(dst []byte, e endpoint, r *reader) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, e.path...)
	dst = append(dst, "?topic="...)
	dst = append(dst, url.QueryEscape(s.topics[r.target])...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, e.host...)
	dst = append(dst, "\r\nAccept: text/event-stream\r\nAccept-Encoding: identity\r\nCache-Control: no-store\r\nUser-Agent: pushstreamd-bench\r\n"...)
	if s.token != "" {
		dst = append(dst, "Authorization: Bearer "...)
		dst = append(dst, s.token...)
		dst = append(dst, "\r\n"...)
	}
	if len(r.wire.cursor) > 0 {
		dst = append(dst, "Last-Event-ID: "...)
		dst = append(dst, r.wire.cursor...)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}
