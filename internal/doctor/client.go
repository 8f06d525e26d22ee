package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	eventStream = "text/event-stream"
	problemJSON = "application/problem+json"
	// shortTimeout bounds a request that is answered at once.
	shortTimeout = 10 * time.Second
	// maxProblem is the most bytes that are read of a short answer.
	maxProblem = 64 << 10
)

// prober makes the requests of one run. It is safe for concurrent use.
type prober struct {
	cfg      Config
	endpoint url.URL
	nonce    string       // tells this run's events from all others
	client   *http.Client // for short requests; each stream has a connection of its own
	close    func()       // closes its connections
}

func newProber(cfg Config, endpoint url.URL) *prober {
	p := &prober{cfg: cfg, endpoint: endpoint, nonce: strings.ToLower(rand.Text())}
	p.client, p.close = p.newClient()
	return p
}

// newClient returns a client with a connection pool of its own, which follows no redirect: a token is for this host only.
func (p *prober) newClient() (client *http.Client, closeIdle func()) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: shortTimeout}).DialContext,
		TLSHandshakeTimeout: shortTimeout,
		TLSClientConfig:     &tls.Config{RootCAs: p.cfg.RootCAs, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // Accept-Encoding is what we say, and answers are as they come
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, transport.CloseIdleConnections
}

// reply is the head of an answer, or why there is none.
type reply struct {
	status int
	proto  string
	header http.Header
	tls    *tls.ConnectionState
	took   time.Duration
	code   string // of a problem, where the body has one
	err    error
}

func replyOf(response *http.Response, took time.Duration) reply {
	return reply{status: response.StatusCode, proto: response.Proto, header: response.Header, tls: response.TLS, took: took}
}

// mediaType returns the content type without its parameters.
func (r reply) mediaType() string {
	mediaType, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mediaType
}

// isNodes reports whether the answer comes from a node: no proxy writes problems.
func (r reply) isNodes() bool {
	return r.err == nil && (r.status == http.StatusOK || r.mediaType() == problemJSON)
}

// gateway reports whether a proxy says that it reaches nobody.
func (r reply) gateway() bool {
	return r.status >= http.StatusBadGateway && r.status <= http.StatusGatewayTimeout && r.mediaType() != problemJSON
}

// String says what the answer is.
func (r reply) String() string {
	if r.err != nil {
		return foreign(r.err.Error())
	}
	text := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	if r.code != "" {
		text += " (" + r.code + ")"
	}
	return text
}

// request returns a request for the endpoint, with the reader's credential.
func (p *prober) request(ctx context.Context, method string, query url.Values, header http.Header) (*http.Request, error) {
	u := p.endpoint
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("User-Agent", "pushstreamd-doctor")
	if p.cfg.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.cfg.Token)
	}
	maps.Copy(r.Header, header)
	return r, nil
}

// head asks with HEAD, which is answered at once as GET would be, and uses nothing up.
func (p *prober) head(ctx context.Context, query url.Values, header http.Header) reply {
	r, err := p.request(ctx, http.MethodHead, query, header)
	if err != nil {
		return reply{err: err}
	}
	return p.do(r)
}

func (p *prober) do(r *http.Request) reply {
	ctx, cancel := context.WithTimeout(r.Context(), shortTimeout)
	defer cancel()
	begun := time.Now()
	response, err := p.client.Do(r.WithContext(ctx))
	if err != nil {
		return reply{err: err, took: time.Since(begun)}
	}
	defer response.Body.Close() //nolint:errcheck // what matters of it has been read
	out := replyOf(response, time.Since(begun))
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err == nil {
		out.code = codeOf(body)
	}
	return out
}

// publish publishes one event of this run, live only: it goes to who is there, and is kept nowhere.
func (p *prober) publish(ctx context.Context, target string, number int) reply {
	body, err := json.Marshal(map[string]any{
		"target": target, "type": probeType, "live_only": true, "data": probe{Run: p.nonce, Number: number},
	})
	if err != nil {
		return reply{err: fmt.Errorf("encode event: %w", err)}
	}
	r, err := p.request(ctx, http.MethodPost, nil, http.Header{"Content-Type": {"application/json"}})
	if err != nil {
		return reply{err: err}
	}
	if p.cfg.PublishToken != "" {
		r.Header.Set("Authorization", "Bearer "+p.cfg.PublishToken)
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
	return p.do(r)
}

// codeOf returns the code of a problem. Anything that does not look like one is not passed on.
func codeOf(body []byte) string {
	var problem struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &problem) != nil || !regexp.MustCompile(`^[a-z_]{1,40}$`).MatchString(problem.Code) {
		return ""
	}
	return problem.Code
}

// topics returns the query of a stream of some topics.
func topics(names ...string) url.Values {
	query := url.Values{}
	if len(names) > 0 {
		query["topic"] = names
	}
	return query
}
