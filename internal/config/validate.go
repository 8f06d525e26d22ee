package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

const (
	maxNode = 100
	// framing is more than what an event's largest target, id, time and field names add to its type, data and meta.
	framing = 4 << 10
)

// Validate returns all faults, each as "key: what is wrong", one a line.
func (c Config) Validate() error {
	var faults []error
	for _, s := range settings(&c) {
		if err := s.check(); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s.key, err))
		}
	}
	return errors.Join(append(faults, c.checkAuth(faults), c.checkExposure(), c.checkSizes(), c.checkTimes())...)
}

// checkAuth returns the faults of authentication, those of settings excepted that have been found already.
func (c Config) checkAuth(found []error) error {
	err := c.AuthConfig().Validate()
	if err == nil {
		return nil
	}
	var faults []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, _, _ := strings.Cut(line, ":")
		known := func(fault error) bool { return strings.HasPrefix(fault.Error(), key+":") }
		if !slices.ContainsFunc(found, known) {
			faults = append(faults, errors.New(line))
		}
	}
	return errors.Join(faults...)
}

// AuthConfig returns what authentication works with.
func (c Config) AuthConfig() auth.Config {
	a := auth.DefaultConfig()
	a.Secret, a.Issuers, a.Keys = string(c.Auth.Secret), c.Auth.Issuers, c.Auth.Keys
	a.Cookie, a.Origins, a.ClockSkew = c.Auth.Cookie, c.CORS.Origins, c.Auth.ClockSkew
	return a
}

// checkExposure refuses listeners that let in who should not be.
func (c Config) checkExposure() error {
	var faults []error
	authenticates := c.AuthConfig().Enabled()
	if checkAddress(c.Listen) == nil && !loopback(c.Listen) && !c.InsecureDev && !authenticates {
		faults = append(faults, fmt.Errorf("listen: %s can be reached from other machines, and without authentication anyone there could read and publish: "+
			"set auth.secret (PUSHSTREAM_AUTH_SECRET), listen on loopback, or allow it with insecure_dev: true (PUSHSTREAM_INSECURE_DEV=true, --insecure-dev)", c.Listen))
	}
	if c.InsecureDev && authenticates {
		faults = append(faults, errors.New("insecure_dev: it is for nodes without authentication, and auth is configured: leave one of them out"))
	}
	if c.Auth.Cookie != "" && !authenticates {
		faults = append(faults, errors.New("auth.cookie: it carries tokens, and nothing says whose tokens count: set auth.secret or auth.issuers"))
	}
	if c.Admin == "" || checkAddress(c.Admin) != nil {
		return errors.Join(faults...)
	}
	if !loopback(c.Admin) && c.AdminToken == "" {
		faults = append(faults, fmt.Errorf("admin: %s can be reached from other machines: listen on loopback, or require admin_token (PUSHSTREAM_ADMIN_TOKEN)", c.Admin))
	}
	if c.Admin == c.Listen && !strings.HasSuffix(c.Admin, ":0") {
		faults = append(faults, fmt.Errorf("admin: %s is the address of listen too", c.Admin))
	}
	return errors.Join(faults...)
}

// checkSizes refuses bounds that the largest event would not get through.
func (c Config) checkSizes() error {
	var faults []error
	least := c.Limits.EventBytes + framing
	for _, bound := range []struct {
		key   string
		bytes int
	}{
		{"stream.buffer_bytes", c.Stream.BufferBytes},
		{"stream.inbox_bytes", c.Stream.InboxBytes},
		{"retention.bytes", c.Retention.Bytes},
		{"limits.body_bytes", c.Limits.BodyBytes},
	} {
		if bound.bytes < least {
			faults = append(faults, fmt.Errorf("%s: %s is less than limits.event_bytes and %s around it", bound.key, formatBytes(bound.bytes), formatBytes(framing)))
		}
	}
	if c.Limits.PublishRate > 0 && c.Limits.PublishBurst < c.Limits.BatchEvents {
		faults = append(faults, fmt.Errorf("limits.publish_burst: %d is less than limits.batch_events, %d: a full batch would never pass", c.Limits.PublishBurst, c.Limits.BatchEvents))
	}
	return errors.Join(faults...)
}

func (c Config) checkTimes() error {
	if d := c.Drain; d.Timeout < d.Delay+d.Window {
		return fmt.Errorf("drain.timeout: %s is less than drain.delay and drain.window together, %s", formatDuration(d.Timeout), formatDuration(d.Delay+d.Window))
	}
	return nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%s is not host:port, like 127.0.0.1:8080", event.Quote(s))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%s: port %s is not 0 to 65535", event.Quote(s), event.Quote(port))
	}
	return nil
}

func checkAdmin(s string) error {
	if s == "" {
		return nil
	}
	return checkAddress(s)
}

// loopback reports whether only this machine can reach a listener at address. A host name other than localhost may mean
// anything, and no host means all addresses.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

func checkToken(s Secret) error {
	const least, most = 16, 512
	if s != "" && (len(s) < least || len(s) > most) {
		return fmt.Errorf("it has %d characters, allowed are %d to %d", len(s), least, most)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return errors.New("it has characters that are not visible ASCII")
		}
	}
	return nil
}

func checkRedis(s Secret) error {
	if s == "" {
		return nil
	}
	return redis.CheckURL(string(s))
}

func checkNode(s string) error {
	if s == "" || len(s) > maxNode {
		return fmt.Errorf("it has %d characters, allowed are 1 to %d", len(s), maxNode)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !isNodeChar(r) }) {
		return fmt.Errorf("%s: only A-Z, a-z, 0-9, -, _ and dots are allowed", event.Quote(s))
	}
	return nil
}

func isNodeChar(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r)
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%s is not one of %s", event.Quote(s), strings.Join(words, ", "))
		}
		return nil
	}
}
