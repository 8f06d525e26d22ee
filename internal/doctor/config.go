package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// maxToken is the most bytes of a credential that a node looks at.
	maxToken = 8 << 10
	// maxDuration is the longest that a stream is watched.
	maxDuration = 24 * time.Hour
)

// Config says where to look, and as whom.
type Config struct {
	// URL is where browsers find the node: http or https, with or without /events at its end. It has no query.
	URL string
	// Token is a reader's; empty to go without one.
	Token string
	// PublishToken is a publisher's key or token; empty to try Token, or nothing.
	PublishToken string
	// Origin is the web origin whose pages are to read; empty leaves CORS out.
	Origin string
	// Topics are read besides what the token reads by itself. Events of the doctor's own, live only, go to the first of them
	// where the token may not read a topic with a random name.
	Topics []string
	// Duration is how long a stream is left alone, 1s to 24h; 0 for two heartbeats of the node.
	Duration time.Duration
	// Patience is how long anything that should come at once is waited for, 1s to 1m; default 6s.
	Patience time.Duration
	// RootCAs are the authorities that certificates are believed from; nil for those of the system.
	RootCAs *x509.CertPool
}

// DefaultConfig returns the configuration for a URL, without credentials.
func DefaultConfig(url string) Config { return Config{URL: url, Patience: 6 * time.Second} }

// Validate returns all faults, joined.
func (c Config) Validate() error {
	_, err := c.endpoint()
	faults := []error{err}
	for name, token := range map[string]string{"token": c.Token, "publish token": c.PublishToken} {
		if len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			faults = append(faults, fmt.Errorf("%s: it has to be at most %d visible ASCII characters", name, maxToken))
		}
	}
	if c.Origin != "" {
		faults = append(faults, checkOrigin(c.Origin))
	}
	for _, topic := range c.Topics {
		if _, err = event.Topic(topic); err != nil {
			faults = append(faults, err)
		}
	}
	if c.Duration != 0 && (c.Duration < time.Second || c.Duration > maxDuration) {
		faults = append(faults, fmt.Errorf("duration: %v is not 1s to %v", c.Duration, maxDuration))
	}
	if c.Patience < time.Second || c.Patience > time.Minute {
		faults = append(faults, fmt.Errorf("patience: %v is not 1s to 1m", c.Patience))
	}
	return errors.Join(faults...)
}

// endpoint returns the URL of GET /events. Its error does not repeat what was given: there may be a password in it.
func (c Config) endpoint() (url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return url.URL{}, errors.New("URL: it is not like https://events.example.com")
	case u.User != nil:
		return url.URL{}, errors.New("URL: it has a user or password; this is no place for them")
	case u.RawQuery != "" || u.Fragment != "":
		return url.URL{}, errors.New("URL: it has a query or fragment; leave them out")
	}
	base := strings.TrimRight(u.Path, "/")
	return url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(base, "/events") + "/events"}, nil
}

// checkOrigin wants an origin as browsers send it (RFC 6454, section 6.2).
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("origin: %s is not like https://app.example.com", event.Quote(origin))
	}
	return nil
}
