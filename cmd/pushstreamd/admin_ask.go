package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/pkg/event"
)

// request is one to the admin listener.
type request struct {
	method, path string
	query        url.Values
	body         any
}

func (p program) send(ctx context.Context, c *cobra.Command, r request) ([]byte, error) {
	l, err := config.Load(c.Flags(), p.environ)
	if err != nil {
		return nil, err
	}
	if l.Config.Admin == "" {
		return nil, errors.New("admin: it is empty, so there is nothing to ask; set it to the node's admin listener (--admin, PUSHSTREAM_ADMIN)")
	}
	host, port, err := net.SplitHostPort(l.Config.Admin)
	if err != nil {
		return nil, fmt.Errorf("admin: %s is not host:port, like 127.0.0.1:8081", event.Quote(l.Config.Admin))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	var body io.Reader = http.NoBody
	if r.body != nil {
		var encoded []byte
		if encoded, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: r.path, RawQuery: r.query.Encode()}
	out, err := http.NewRequestWithContext(ctx, r.method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	if token := string(l.Config.AdminToken); token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	return answerTo(out)
}

// errNoNode says that something has answered, and not as a node does.
var errNoNode = errors.New("ask the node: this is not an answer of a node; does admin name its admin listener?")

// answerTo returns the body of an answer that is good: JSON with 200, nothing with other codes.
func answerTo(r *http.Request) ([]byte, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, exit{code: exitUnavailable, error: fmt.Errorf("ask the node: %w", err)}
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return nil, exit{code: exitUnavailable, error: fmt.Errorf("ask the node: %w", err)}
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch status := response.StatusCode; {
	case status >= http.StatusMultipleChoices:
		return nil, refusedBy(response, err == nil && kind == "application/problem+json", body)
	case status == http.StatusOK && err == nil && kind == "application/json", status != http.StatusOK && len(body) == 0:
		return body, nil
	}
	return nil, failure(errNoNode)
}

// refusedBy returns the error of an answer that is not good.
func refusedBy(r *http.Response, isProblem bool, body []byte) error {
	var problem struct {
		Detail string `json:"detail"`
	}
	detail := r.Status
	if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		detail = problem.Detail
	}
	code := exitFailure
	switch r.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		code = exitForbidden
	case http.StatusServiceUnavailable:
		code = exitUnavailable
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if isProblem { // a node's own: the flags are wrong
			code = exitUsage
		}
	}
	return exit{code: code, error: fmt.Errorf("the node answers: %s", printable(detail))}
}
