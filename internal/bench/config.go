package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	maxReaders    = 10_000_000
	maxTargets    = 1_000_000
	maxPublishers = 1000
	maxRate       = 1e9
	maxSize       = 16 << 20
	maxBatch      = 100_000
	maxTime       = 7 * 24 * time.Hour
)

// Config says what load there is to be. Begin with DefaultConfig.
type Config struct {
	// URLs are where the deployment is, http or https; at least one. Readers and publishers are spread over all of them, and over
	// all addresses of each. They connect directly: HTTP_PROXY is not for them.
	URLs []string
	// Credential returns the readers' token; nil, the default, is none. It is asked once: the token has to last.
	Credential client.CredentialFunc
	// PublishCredential authorises publishes; nil, the default, is Credential.
	PublishCredential client.CredentialFunc
	// Readers is how many streams are held, 1 to 10000000; default 100.
	Readers int
	// Connecting is how many connections may be on their way at a time, 1 to 10000000; default 100.
	Connecting int
	// Targets is the number of topics that readers are spread over, 1 to 1000000; default 10. More than Readers are not used.
	Targets int
	// Topic begins the names of the topics, up to 100 bytes; default "bench". A random part and a number follow, with dots between.
	Topic string
	// Publishers is how many requests may be on their way at a time, 1 to 1000; default 4. More than Targets are not used: the
	// events of one target have one sender, which keeps them in order.
	Publishers int
	// Rate is how many events are published a second, up to 1e9; default 100. With 0 each publisher sends when it has its answer.
	Rate float64
	// Size is how many bytes the data of an event have, 64 to 16777216; default 128.
	Size int
	// Batch is how many events a request has, 1 to 100000; default 1.
	Batch int
	// Warmup is how long is published before anything is measured, up to 168h; default 1s.
	Warmup time.Duration
	// Duration is how long is published, and measured, after that, 1ms to 168h; default 10s.
	Duration time.Duration
	// Settle is how long is waited, when all is published, for what has not come, up to 168h; default 30s.
	Settle time.Duration
	// RootCAs are the authorities that certificates are believed of; nil, the default, are the system's.
	RootCAs *x509.CertPool
	// HTTP2 has readers speak HTTP/2, many on one connection: with https as browsers do, with http as proxies do to their
	// backends; default false.
	HTTP2 bool
	// Goroutines gives each reader a goroutine, as where there is TLS, HTTP/2 or no Linux; default false.
	Goroutines bool
	// Progress is called about once a second, by the goroutine of Run; nil, the default, is nobody.
	Progress func(Progress)
}

// DefaultConfig returns the defaults. URLs is left to the caller.
func DefaultConfig() Config {
	return Config{
		Readers: 100, Connecting: 100, Targets: 10, Topic: "bench", Publishers: 4, Rate: 100, Size: 128, Batch: 1,
		Warmup: time.Second, Duration: 10 * time.Second, Settle: 30 * time.Second,
	}
}

// Validate returns all faults, each with the name of its field, as the command's flags are called.
func (c Config) Validate() error {
	var faults []error
	if len(c.URLs) == 0 {
		faults = append(faults, errors.New("url: there is none"))
	}
	for _, n := range []struct {
		name            string
		is, least, most int
	}{
		{"readers", c.Readers, 1, maxReaders},
		{"connecting", c.Connecting, 1, maxReaders},
		{"targets", c.Targets, 1, maxTargets},
		{"publishers", c.Publishers, 1, maxPublishers},
		{"size", c.Size, minSize, maxSize},
		{"batch", c.Batch, 1, maxBatch},
	} {
		if n.is < n.least || n.is > n.most {
			faults = append(faults, fmt.Errorf("%s: %d is not %d to %d", n.name, n.is, n.least, n.most))
		}
	}
	for _, d := range []struct {
		name      string
		is, least time.Duration
	}{{"warmup", c.Warmup, 0}, {"duration", c.Duration, time.Millisecond}, {"settle", c.Settle, 0}} {
		if d.is < d.least || d.is > maxTime {
			faults = append(faults, fmt.Errorf("%s: %v is not %v to %v", d.name, d.is, d.least, maxTime))
		}
	}
	if math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > maxRate {
		faults = append(faults, fmt.Errorf("rate: %v is not 0 to %v", c.Rate, maxRate))
	}
	if _, err := event.Topic(c.Topic); err != nil || len(c.Topic) > 100 {
		faults = append(faults, fmt.Errorf("topic: %s is no name of at most 100 bytes", event.Quote(c.Topic)))
	}
	return errors.Join(faults...)
}

// publishCredential returns what publishes are authorised by.
func (c Config) publishCredential() client.CredentialFunc {
	if c.PublishCredential != nil {
		return c.PublishCredential
	}
	return c.Credential
}

// client returns a client as pkg/client has it by default, for some URLs, but for what change changes, and what closes it.
func (c Config) client(change func(*client.Config)) (made *client.Client, closed func(), err error) {
	cfg := client.DefaultConfig()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.RootCAs}, ForceAttemptHTTP2: true}
	cfg.URLs, cfg.Credential, cfg.HTTPClient = c.URLs, c.Credential, &http.Client{Transport: transport}
	change(&cfg)
	made, err = client.New(cfg)
	return made, transport.CloseIdleConnections, err
}

// Progress is how far a run has come.
type Progress struct {
	// Elapsed is the time since the run began.
	Elapsed time.Duration
	// Phase is connecting, publishing or settling.
	Phase string
	// Open is how many of the Readers have an open stream.
	Open, Readers int
	// Acknowledged and Delivered are how many events were so far, warm-up included.
	Acknowledged, Delivered uint64
	// Reconnects is how many streams have ended.
	Reconnects int
}
