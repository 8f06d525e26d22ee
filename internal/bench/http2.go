package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// multiplexed returns what makes streams of HTTP/2 at an endpoint, many of them on each connection: agreed on with TLS, as
// browsers do it, and taken for granted without, as proxies do it with their backends (RFC 9113, section 3). hangUp closes the
// connections, also those that the other side does not answer on.
func multiplexed(e endpoint, roots *x509.CertPool) (t *http.Transport, hangUp func()) {
	var mu sync.Mutex
	var conns []net.Conn
	t = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		Protocols:       new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.address)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, conn)
			}
			return conn, err
		},
	}
	t.Protocols.SetHTTP2(e.secure)
	t.Protocols.SetUnencryptedHTTP2(!e.secure)
	return t, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			_ = conn.Close() //nolint:errcheck // it may be closed already
		}
	}
}

// shared is a stream that has its connection with others.
type shared struct {
	head   *bytes.Reader // of the answer, as HTTP/1.1 has it; it is read first
	body   io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer
	silent atomic.Bool
}

// open asks for a stream of HTTP/2, with a request as HTTP/1.1 has it.
func (e endpoint) open(ctx context.Context, text []byte) (source, error) {
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	request.URL.Scheme, request.URL.Host, request.RequestURI = "http", e.host, ""
	if e.secure {
		request.URL.Scheme = "https"
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &shared{cancel: cancel}
	s.timer = time.AfterFunc(connectTimeout, s.hush)
	answer, err := e.http2.RoundTrip(request.WithContext(ctx)) //nolint:bodyclose // by Close
	if err != nil {
		s.timer.Stop()
		cancel()
		if s.silent.Load() {
			err = errSilent
		}
		return nil, fmt.Errorf("ask for a stream by HTTP/2, which the server may not speak: %w", err)
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d\r\n", answer.StatusCode)
	_ = answer.Header.Write(&head) //nolint:errcheck // a buffer takes everything
	head.WriteString("\r\n")
	s.head, s.body = bytes.NewReader(head.Bytes()), answer.Body
	return s, nil
}

// hush ends a stream on which nothing came.
func (s *shared) hush() {
	s.silent.Store(true)
	s.cancel()
}

// Read reads the answer.
func (s *shared) Read(b []byte) (int, error) {
	if s.head.Len() > 0 {
		return s.head.Read(b)
	}
	n, err := s.body.Read(b)
	if err != nil && s.silent.Load() {
		return n, os.ErrDeadlineExceeded
	}
	return n, err
}

// SetReadDeadline bounds the next read.
func (s *shared) SetReadDeadline(at time.Time) error {
	s.timer.Reset(time.Until(at))
	return nil
}

// Close ends the stream, and not its connection.
func (s *shared) Close() error {
	s.timer.Stop()
	s.cancel()
	return s.body.Close()
}
