package doctor

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var began = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// at is so many milliseconds after the beginning.
func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

func okReply(header ...string) reply {
	r := reply{status: http.StatusOK, proto: "HTTP/2.0", header: http.Header{
		"Content-Type": {eventStream}, "Cache-Control": {"no-store, no-transform"},
	}}
	for i := 0; i < len(header); i += 2 {
		r.header.Add(header[i], header[i+1])
	}
	return r
}

// streamOf returns what is seen of a stream with a heartbeat of 10 seconds: a hello, live, and blocks of a kind at times.
func streamOf(until int, resumed, kind string, times ...int) record {
	r := record{reply: okReply(), asked: began, answered: at(1), until: at(until), blocks: []block{
		{at: at(2), kind: kindHello, id: "a.1", hello: hello{Node: "one", HeartbeatMS: 10_000, Resumed: resumed}},
		{at: at(3), kind: kindLive},
	}}
	for i, ms := range times {
		b := block{at: at(ms), kind: kind}
		if kind == probeType {
			b.probe = i + 1
		}
		r.blocks = append(r.blocks, b)
	}
	return r
}

// publishedAt returns events that were published at times.
func publishedAt(times ...int) []sent {
	var all []sent
	for _, ms := range times {
		all = append(all, sent{at: at(ms), reply: okReply()})
	}
	return all
}

// well is what is seen of a path that does no harm.
func well() *evidence {
	e := &evidence{
		cfg: Config{Origin: "https://app.example"}, head: okReply(),
		idle:     streamOf(20_500, "none", kindPing, 10_003, 20_003),
		byHeader: streamOf(10, "replaying", kindPing), byQuery: streamOf(10, "replaying", kindPing),
		cursor: okReply(), tokens: []sized{{okReply(), maxToken}},
		preflight: okReply(allowOrigin, "https://app.example", "Access-Control-Allow-Headers", "last-event-id, authorization"),
		cors:      okReply(allowOrigin, "https://app.example", "Vary", "Origin"),
	}
	e.byQuery.blocks[0].envelope = true
	e.trial = trial{
		plain: streamOf(1000, "none", probeType, 105, 205, 305), packed: streamOf(1000, "none", probeType, 106, 206, 306),
		sent: publishedAt(100, 200, 300),
	}
	return e
}

// sick is a change of what is seen, and what has to be found.
type sick struct {
	change   func(*evidence)
	level    Level
	measured string
	cure     string // nginx's line; that of pushstream where there is none of nginx; "" for none
}

// judge checks that all is well without a change, and each change with a check.
func judge(t *testing.T, check func(*evidence) Finding, changes map[string]sick) {
	t.Helper()
	require.Equal(t, OK, check(well()).Level, "%+v", check(well()))
	for name, s := range changes {
		t.Run(name, func(t *testing.T) {
			e := well()
			s.change(e)
			f := check(e)
			require.Equal(t, s.level, f.Level, "%+v", f)
			require.Contains(t, f.Measured, s.measured)
			if s.cure == "" {
				require.Empty(t, f.Cure)
				return
			}
			require.NotEmpty(t, f.Cure)
			require.Equal(t, s.cure, f.Cure[0].Line)
		})
	}
}
