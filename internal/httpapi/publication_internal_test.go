package httpapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

// FuzzPublication checks that whatever is sent is refused, or becomes an event that cannot be wrong.
func FuzzPublication(f *testing.F) {
	for _, seed := range []string{
		`{"target":"user:alice","type":"order.created","data":{"order":1}}`,
		`{"targets":["all","topic:news"],"type":"a.b","data":null,"meta":{"k":1},"key":"k","live_only":true}`,
		"{\"target\":\"session:s\",\"type\":\"a.b\",\"data\":[1,\r\n2]}",
		`{"target":"user:a\r\nid: 5","type":"a.b","data":1}`,
		`{"target":"all","type":"pushstream.bye","data":1}`,
		`{"target":"all","type":"a.b","data":1} {}`,
		`{"TARGET":"all","type":"a.b","data":1e400}`,
		`[`, `1`, `"`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		document, err := event.ParseDocument(bytes.Clone(body))
		if err != nil {
			return
		}
		p, single, err := decodePublication(document, auth.Principal{Tenant: event.DefaultTenant(), Publish: auth.All()})
		if err != nil {
			if answer := problemOf(err); answer.Status/100 != 4 {
				t.Fatalf("%q is answered %d: %v", body, answer.Status, err)
			}
			return
		}
		if len(p.Targets) == 0 || single && len(p.Targets) != 1 {
			t.Fatalf("%q: %d targets, single %v", body, len(p.Targets), single)
		}
		for _, target := range p.Targets {
			if again, err := event.ParseTarget(target.String()); err != nil || again != target {
				t.Fatalf("%q: target %q: %v", body, target, err)
			}
		}
		if strings.HasPrefix(p.Event.Type.String(), event.ReservedPrefix) || strings.ContainsAny(p.Event.Type.String(), "\r\n\x00") {
			t.Fatalf("%q: type %q", body, p.Event.Type)
		}
		if data := p.Event.Data.Bytes(); !json.Valid(data) || bytes.ContainsAny(data, "\r\n") {
			t.Fatalf("%q: data %q", body, data)
		}
	})
}
