package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Publish publishes one event, and returns when it is stored. It tries again, up to Config.Attempts times and with the same
// key, after errors of the network, 429, and 500, 502, 503 and 504; other refusals are returned at once. When ctx ends, it
// returns at once.
//
// Errors wrap a sentinel of this package, or ctx's error. With ErrUnavailable, or when ctx ended, the event may have been
// stored; Result.Key is what to publish it with again.
func (c *Client) Publish(ctx context.Context, p Publication) (Result, error) {
	body, key, err := p.encode()
	if err != nil {
		return Result{}, fmt.Errorf("publish: %w", err)
	}
	result := Result{Key: key}
	err = c.attempts(ctx, func(ctx context.Context, base *url.URL) error { return c.publishOnce(ctx, base, body, &result) })
	if err != nil {
		return result, fmt.Errorf("publish: %w", err)
	}
	return result, nil
}

func (c *Client) publishOnce(ctx context.Context, base *url.URL, body []byte, result *Result) error {
	answer, err := c.post(ctx, base, body)
	if err != nil {
		return err
	}
	var got answered
	if err = json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return got.into(result)
}

// answered is the server's answer for one event.
type answered struct {
	ID    string            `json:"id"`
	IDs   map[string]string `json:"ids"`
	Live  bool              `json:"live"`
	Error *struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"error"`
}

// into fills a result in, or returns why there is none.
func (a answered) into(r *Result) error {
	switch {
	case a.Error != nil:
		return &Error{Status: a.Error.Status, Code: a.Error.Code, Detail: a.Error.Detail}
	case a.ID == "" && len(a.IDs) == 0 && !a.Live:
		return fmt.Errorf("%w: it has no id", ErrProtocol)
	}
	r.ID, r.IDs = a.ID, a.IDs
	return nil
}

// attempts calls do until it succeeds, or fails for good, or for the last time.
func (c *Client) attempts(ctx context.Context, do func(context.Context, *url.URL) error) error {
	renewed := false
	for failures := 0; ; {
		base, n := c.base()
		err := c.attempt(ctx, base, do)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ended(ctx, err)
		case c.stale(err) && !renewed:
			renewed = true
			continue
		case !passes(err):
			return err
		}
		c.next(n)
		if failures++; failures >= c.cfg.Attempts {
			return err
		}
		wait := c.cfg.backoff(failures) + asked(err)
		c.log.LogAttrs(ctx, slog.LevelDebug, "publish is tried again", slog.Duration("wait", wait), slog.Any("error", err))
		if !pause(ctx, wait) {
			return ended(ctx, err)
		}
	}
}

func (c *Client) attempt(ctx context.Context, base *url.URL, do func(context.Context, *url.URL) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.AttemptTimeout, errTimeout)
	defer cancel()
	return do(ctx, base)
}

// ended returns the error of a call whose context ended, and what was wrong until then.
func ended(ctx context.Context, last error) error {
	if cause := context.Cause(ctx); !errors.Is(last, cause) {
		return fmt.Errorf("%w; before that: %w", cause, last)
	}
	return last
}

// passes reports whether publishing again may help. A request that was too slow is not repeated: it would be again.
func passes(err error) bool {
	if refused, ok := errors.AsType[*Error](err); ok {
		switch refused.Status {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return errors.Is(err, ErrUnavailable)
}

// asked returns how long the server asked to wait.
func asked(err error) time.Duration {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused.RetryAfter
	}
	return 0
}

// post publishes a body, and returns the answer.
func (c *Client) post(ctx context.Context, base *url.URL, body []byte) ([]byte, error) {
	r, err := c.request(ctx, http.MethodPost, base.JoinPath("events"), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response)
	}
	return readAnswer(ctx, response)
}
