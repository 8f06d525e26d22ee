package redis

import (
	"strconv"
	"strings"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// layout is the generation of the key layout. It is part of every name.
const layout = "1"

// names are the keys and channels of one partition. They share a hash tag, and so a slot of a cluster.
type names struct {
	base    string
	head    string
	calls   string
	keys    [2]string
	signals string
	kept    string // signals
}

func namesOf(prefix string, p backplane.Partition) names {
	base := prefix + ":" + layout + ":{p" + strconv.Itoa(int(p)) + "}:"
	return names{
		base:    base,
		head:    base + "head",
		calls:   base + "calls",
		keys:    [2]string{base + "keys:0", base + "keys:1"},
		signals: base + "signals",
		kept:    base + "kept",
	}
}

// log returns the key of a log, which is also the name of its relay channel. Tenant and target are percent-encoded, so that
// no name reaches another tenant's key and none has spaces.
func (n names) log(l event.LogName) string {
	var b strings.Builder
	b.WriteString(n.base)
	b.WriteString("log:")
	escape(&b, l.Tenant.String(), "")
	b.WriteByte(':')
	escape(&b, l.Target.String(), ":")
	return b.String()
}

// escape writes s with all bytes percent-encoded that are neither unreserved (RFC 3986, section 2.3) nor in also.
func escape(b *strings.Builder, s, also string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if plain(c) || c == '~' || strings.IndexByte(also, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}
