package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxAnswer bounds an answer to a publish: 100000 results of an id each, with targets, are far under it.
	maxAnswer = 64 << 20
	// maxProblem bounds a problem document.
	maxProblem = 64 << 10
	// maxDetail bounds what is quoted of an answer that is no problem document.
	maxDetail = 200
)

// Client talks to one deployment of PushStream. It is safe for concurrent use.
type Client struct {
	cfg   Config
	bases []*url.URL
	http  *http.Client
	own   *http.Transport // nil where the caller brought a client
	log   *slog.Logger
	turn  atomic.Uint64 // which of bases is to be asked: the one that answered last, or the one after that failed
}

// New returns a client. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	c := &Client{cfg: cfg, log: cfg.Logger}
	for _, text := range cfg.URLs {
		base, err := parseURL(text)
		if err != nil {
			return nil, fmt.Errorf("configure client: %w", err)
		}
		c.bases = append(c.bases, base)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = new(http.Client)
	if cfg.HTTPClient != nil {
		*c.http = *cfg.HTTPClient
		c.http.Timeout = 0
	} else {
		c.own = newTransport()
		c.http.Transport = c.own
	}
	// net/http takes a credential along to other ports and to subdomains, and makes a GET of a POST.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       30 * time.Second,
		// A dead connection of HTTP/2 would be used again for the next attempt.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// Close closes idle connections, unless the caller brought the HTTPClient. Streams are closed by themselves.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// base returns the URL whose turn it is, and its number.
func (c *Client) base() (*url.URL, uint64) {
	n := c.turn.Load()
	return c.bases[n%uint64(len(c.bases))], n
}

// next gives the turn to the URL after the one with that number, unless somebody else has done so.
func (c *Client) next(n uint64) { c.turn.CompareAndSwap(n, n+1) }

// request returns a request with a credential.
func (c *Client) request(ctx context.Context, method string, u *url.URL, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	// net/http would unpack what is compressed: a stream would be held back, and a small answer become a large one.
	r.Header.Set("Accept-Encoding", "identity")
	if c.cfg.Credential == nil {
		return r, nil
	}
	credential, err := c.cfg.Credential(ctx)
	if err != nil {
		if errors.Is(err, ErrUnauthorized) {
			return nil, fmt.Errorf("ask for credential: %w", err)
		}
		return nil, unreachable(fmt.Errorf("ask for credential: %w", err))
	}
	if strings.ContainsFunc(credential, func(x rune) bool { return x <= ' ' || x > '~' }) {
		return nil, fmt.Errorf("%w: the credential has other than visible ASCII characters", ErrUnauthorized)
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	return r, nil
}

// do makes a request. Its errors do not quote the URL, which may have a ticket.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	response, err := c.http.Do(r)
	if err == nil {
		return response, nil
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return nil, unreachable(fmt.Errorf("%s %s at %s: %w", r.Method, r.URL.Path, r.URL.Host, reason(r.Context(), err)))
}

// reason returns why a request ended: the cause of its context's end tells more than that it was canceled.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// refusal reads an answer that is not what was asked for.
func refusal(r *http.Response) *Error {
	e := &Error{Status: r.StatusCode, RetryAfter: retryAfter(r.Header)}
	if r.StatusCode/100 == 3 {
		e.Detail = "it redirects, which is not followed; configure the URL that it leads to"
		return e
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxProblem))
	if err != nil {
		return e // the status says enough
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var problem struct{ Code, Detail string }
	if err == nil && kind == "application/problem+json" && json.Unmarshal(body, &problem) == nil {
		e.Code, e.Detail = problem.Code, problem.Detail
		return e
	}
	if text := strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), maxDetail)])), ""); text != "" {
		e.Detail = fmt.Sprintf("%+q", text)
	}
	return e
}

// readAnswer reads a body to its end.
func readAnswer(ctx context.Context, r *http.Response) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, fmt.Errorf("%w: it is compressed, which was not asked for", ErrProtocol)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(fmt.Errorf("read answer: %w", reason(ctx, err)))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: it is over %d bytes", ErrProtocol, maxAnswer)
	}
	return body, nil
}
