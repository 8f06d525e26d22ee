package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/pushstream/pushstream/pkg/event"
)

// The kinds of values, as pflag's help names them.
const (
	kindBool     = "bool"
	kindBytes    = "bytes"
	kindDuration = "duration"
	kindInt      = "int"
	kindList     = "list"
	kindSecret   = "secret"
	kindString   = "string"
	kindYAML     = "yaml"
)

// value is a pflag.Value: one setting, as text.
type value[T any] struct {
	kind   string
	at     *T
	parse  func(string) (T, error)
	format func(T) string
}

// Set reads text. The error says what is expected.
func (v value[T]) Set(text string) error {
	x, err := v.parse(text)
	if err == nil {
		*v.at = x
	}
	return err
}

// String returns the text that Set reads.
func (v value[T]) String() string { return v.format(*v.at) }

// Type returns the kind.
func (v value[T]) Type() string { return v.kind }

// list is a pflag.Value of any number of items with commas between them. The first Set replaces what was there; those
// after it add to that, since they are the same flag given again.
type list[T any] struct {
	at     *[]T
	parse  func(string) (T, error)
	format func(T) string
	again  bool
}

// Set reads items.
func (l *list[T]) Set(text string) error {
	var items []T
	if l.again {
		items = *l.at
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		x, err := l.parse(item)
		if err != nil {
			return err
		}
		items = append(items, x)
	}
	*l.at, l.again = items, true
	return nil
}

// String returns the text that Set reads.
func (l *list[T]) String() string {
	items := make([]string, len(*l.at))
	for i, x := range *l.at {
		items[i] = l.format(x)
	}
	return strings.Join(items, ",")
}

// Type returns the kind.
func (*list[T]) Type() string { return kindList }

// table is a pflag.Value of items that have fields. Its text is YAML, of which JSON is a part.
type table[T any] struct {
	at   *[]T
	text string // as it was set
}

// Set reads items. Fields that do not exist are errors.
func (v *table[T]) Set(text string) error {
	var items []T
	if strings.TrimSpace(text) != "" {
		body, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return errors.New("it is neither YAML nor JSON")
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(&items); err != nil {
			return fmt.Errorf("expected is a list of items with their fields: %s", strings.TrimPrefix(err.Error(), "json: "))
		}
	}
	if len(items) == 0 {
		items = nil
	}
	*v.at, v.text = items, text
	return nil
}

// String returns the text that Set has read; of items that came otherwise, JSON without their secrets.
func (v *table[T]) String() string {
	if v.text != "" || len(*v.at) == 0 {
		return v.text
	}
	body, err := json.Marshal(*v.at)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return string(body)
}

// Type returns the kind.
func (*table[T]) Type() string { return kindYAML }

func parseBool(s string) (bool, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, fmt.Errorf("%s is not true or false", event.Quote(s))
	}
	return b, nil
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number", event.Quote(s))
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration with its unit, like 15s, 2m or 24h", event.Quote(s))
	}
	return d, nil
}

// formatDuration is Duration.String without the zeros behind: 24h, not 24h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units are powers of 1024, the largest first.
func units() []string { return []string{"GiB", "MiB", "KiB"} }

func parseBytes(s string) (int, error) {
	number, factor := strings.TrimSpace(s), 1
	for i, unit := range units() {
		if rest, found := strings.CutSuffix(number, unit); found {
			number = strings.TrimSpace(rest)
			factor = 1 << (10 * (len(units()) - i))
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n > math.MaxInt/factor || n < math.MinInt/factor {
		return 0, fmt.Errorf("%s is not a number of bytes, like 65536, 64KiB or 8MiB", event.Quote(s))
	}
	return n * factor, nil
}

func formatBytes(n int) string {
	for i, unit := range units() {
		if factor := 1 << (10 * (len(units()) - i)); n != 0 && n%factor == 0 {
			return strconv.Itoa(n/factor) + unit
		}
	}
	return strconv.Itoa(n)
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is not an address or a network, like 10.0.0.0/8", event.Quote(s))
	}
	return p.Masked(), nil
}

// parseOrigin takes an origin only as browsers serialise it (HTML, section 7.1.1): origins are compared byte by byte, and
// another spelling would never match.
func parseOrigin(s string) (string, error) {
	if err := checkOrigin(s); err != nil {
		return "", fmt.Errorf("%s is not an origin, like https://app.example.com: %w", event.Quote(s), err)
	}
	return s, nil
}

func checkOrigin(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("it cannot be read as a URL")
	case strings.Contains(s, "*"):
		return errors.New("there are no patterns")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("it begins with https:// or http://")
	case u.Hostname() == "" || s != u.Scheme+"://"+u.Host:
		return errors.New("it has a host and perhaps a port, and nothing behind them")
	case s != strings.ToLower(s) || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }):
		return errors.New("browsers send it in lower case, and in ASCII")
	case u.Scheme == "http" && u.Port() == "80", u.Scheme == "https" && u.Port() == "443", strings.HasSuffix(s, ":"):
		return errors.New("browsers leave the usual port out")
	default:
		return nil
	}
}
