package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// CredentialFunc returns a token or a publisher's key. It is called for every request, at the same time by many; so it keeps
// what it fetched, and renews it a while before it expires. It is called again at once, one time, when the server answers what
// it returned with a 401, unless that says that the token is refused for good. An empty credential sends none: that is for
// development mode.
//
// An error counts like a server that cannot be reached, and the request is tried again; one that wraps ErrUnauthorized is
// final.
type CredentialFunc func(ctx context.Context) (string, error)

// FixedCredential is a credential that never changes, like a publisher's key.
func FixedCredential(credential string) CredentialFunc {
	return func(context.Context) (string, error) { return credential, nil }
}

// Config is what a Client needs. Begin with DefaultConfig.
type Config struct {
	// URLs are where the deployment is: http or https, without query; /events is added. At least one; there is no default.
	// After an attempt that failed the next one is tried. All have to lead to the same deployment: keys and ids of one mean
	// nothing to another.
	URLs []string
	// Credential authorises requests; nil sends none, which is for development mode.
	Credential CredentialFunc
	// HTTPClient makes the requests; nil, the default, is one of the Client's own. Its Timeout and CheckRedirect are not
	// used: a stream has no end, and redirects are not followed.
	HTTPClient *http.Client
	// Attempts is how often a publish is tried in all, 1 to 1000000; default 5. With the most of it, a publish is tried for as
	// long as its context lasts. A Stream tries for ever.
	Attempts int
	// AttemptTimeout bounds one attempt to publish, or to get a ticket, 1 ms to 10 min; default 15 s. It should be longer
	// than the server's publish.timeout, so that the server is the one who says what became of an event.
	AttemptTimeout time.Duration
	// ConnectTimeout is how long a stream may take to begin, 1 ms to 10 min; default 30 s. From its first block on, a stream
	// is given up when nothing came for two and a half times the server's heartbeat.
	ConnectTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait before another attempt: a random time, of at most BackoffMin for the first,
	// twice that for the next, and so on up to BackoffMax; 1 ms to 10 min; defaults 500 ms and 30 s. Where the server says
	// how long to wait, it is at least that.
	BackoffMin, BackoffMax time.Duration
	// BatchEvents is the most events of one request, 1 to 100000; default 500. It should not be over the server's
	// limits.batch_events: what is refused as too large is sent again in halves.
	BatchEvents int
	// BatchBytes is the most bytes of a request with more than one event, 1 to 1 GiB; default 4 MiB. It should not be over
	// the server's limits.body_bytes, for the same reason.
	BatchBytes int
	// BlockBytes is the most that one event may have when it is read, with all that is around its data, 1 to 1 GiB; default
	// 1 MiB. A larger one ends a Stream with ErrTooLarge.
	BlockBytes int
	// Logger is told of every end of a stream and of attempts that are repeated, at debug level; nil, the default, is nobody.
	// No credential and no data is logged.
	Logger *slog.Logger
}

const (
	maxTimeout = 10 * time.Minute
	// maxAttempts are more than anybody waits for: half a year, with the default backoff.
	maxAttempts = 1_000_000
)

// DefaultConfig returns the defaults. URLs is left to the caller.
func DefaultConfig() Config {
	return Config{
		Attempts:       5,
		AttemptTimeout: 15 * time.Second,
		ConnectTimeout: 30 * time.Second,
		BackoffMin:     500 * time.Millisecond,
		BackoffMax:     30 * time.Second,
		BatchEvents:    500,
		BatchBytes:     4 << 20,
		BlockBytes:     1 << 20,
	}
}

// Validate returns all faults, each with the name of its field.
func (c Config) Validate() error {
	var faults []error
	if len(c.URLs) == 0 {
		faults = append(faults, errors.New("URLs: there is none"))
	}
	for i, text := range c.URLs {
		if _, err := parseURL(text); err != nil {
			faults = append(faults, fmt.Errorf("URLs[%d]: %w", i, err))
		}
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"AttemptTimeout", c.AttemptTimeout}, {"ConnectTimeout", c.ConnectTimeout}, {"BackoffMin", c.BackoffMin}, {"BackoffMax", c.BackoffMax},
	} {
		if d.is < time.Millisecond || d.is > maxTimeout {
			faults = append(faults, fmt.Errorf("%s: %v is not 1ms to %v", d.name, d.is, maxTimeout))
		}
	}
	for _, n := range []struct {
		name     string
		is, most int
	}{
		{"Attempts", c.Attempts, maxAttempts}, {"BatchEvents", c.BatchEvents, 100_000}, {"BatchBytes", c.BatchBytes, 1 << 30}, {"BlockBytes", c.BlockBytes, 1 << 30},
	} {
		if n.is < 1 || n.is > n.most {
			faults = append(faults, fmt.Errorf("%s: %d is not 1 to %d", n.name, n.is, n.most))
		}
	}
	if c.BackoffMin > c.BackoffMax {
		faults = append(faults, fmt.Errorf("BackoffMin: %v is over BackoffMax, %v", c.BackoffMin, c.BackoffMax))
	}
	return errors.Join(faults...)
}

// parseURL reads a base URL. Its errors do not quote it: it may have a password.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not begin with http:// or https://")
	case u.Host == "":
		return nil, errors.New("it names no host")
	case u.User != nil:
		return nil, errors.New("it has a user; credentials belong into Credential")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it has a query or a fragment")
	}
	return u, nil
}
