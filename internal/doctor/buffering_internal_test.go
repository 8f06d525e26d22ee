package doctor

import (
	"testing"
	"time"
)

func TestBuffering(t *testing.T) {
	const cure = "proxy_buffering off;"
	collected := func(e *evidence) {
		e.trial.plain = streamOf(2001, "none", kindPing)
		e.trial.plain.ended = true
		e.idle = e.trial.plain
	}
	judge(t, (*evidence).buffering, map[string]sick{
		"no headers":   {func(e *evidence) { e.idle = record{asked: began, until: at(6000)} }, Fault, "not even the headers came in 6s", cure},
		"no block":     {func(e *evidence) { e.idle.blocks = nil; e.idle.until = at(6000) }, Fault, "no block in 6s", cure},
		"late hello":   {func(e *evidence) { e.idle.blocks[0].at = at(1500) }, Warning, "hello 1.5s after it was asked for", cure},
		"late headers": {func(e *evidence) { e.idle.answered, e.idle.blocks[0].at = at(1999), at(2000) }, Warning, "hello 2s after it was asked for", cure},
		"slow network": {func(e *evidence) { e.head.took, e.idle.blocks[0].at = 800*time.Millisecond, at(1500) }, OK, "hello 1.5s after it was asked for", ""},
		"collected":    {collected, Fault, "none came; their stream ended after 2s", cure},
		"idle ended":   {func(e *evidence) { collected(e); e.trial.plain.ended = false }, Fault, "none came", cure},
		"trial ended":  {func(e *evidence) { collected(e); e.idle = well().idle }, Fault, "none came; their stream", cure},
		"some, then its end": {func(e *evidence) {
			e.trial.plain = streamOf(2001, "none", probeType, 101, 201)
			e.trial.plain.ended = true
		}, Fault, "2 of 3 events came, after 1ms (median) to 1ms; their stream ended after 2s", cure},
		"not even pings": {func(e *evidence) { collected(e); e.trial.sent, e.trial.untold = nil, "403" }, Skipped, "ended before a ping came: see idle (no events were published: 403)", ""},
		"not even pings, and late": {func(e *evidence) {
			collected(e)
			e.trial.sent, e.idle.blocks[0].at = nil, at(2000)
		}, Warning, "hello 2s after it was asked for; the stream ended before", cure},
		"lumps": {func(e *evidence) {
			e.trial.sent = publishedAt(100, 1100, 2100)
			e.trial.plain = streamOf(9000, "none", probeType, 3000, 3001, 3002)
		}, Fault, "2 of them in lumps", cure},
		"all late":  {func(e *evidence) { e.trial.plain = streamOf(9000, "none", probeType, 1500, 2500, 3500) }, Fault, "3 of 3 events came, after 2.3s (median) to 3.2s", cure},
		"one late":  {func(e *evidence) { e.trial.plain = streamOf(9000, "none", probeType, 101, 201, 2000) }, Warning, "to 1.7s", cure},
		"not share": {func(e *evidence) { e.trial.plain = streamOf(9000, "none", kindPing) }, Fault, "of 3 events that were published none came, although pings did", shareCure()[0].Line},
		"half":      {func(e *evidence) { e.trial.plain = streamOf(9000, "none", probeType, 101, 201) }, Fault, "the others never, although pings did", shareCure()[0].Line},
		"nothing at all": {func(e *evidence) {
			e.trial.plain = streamOf(9000, "none", kindPing)
			e.idle = streamOf(23_000, "none", kindPing)
		}, Fault, "none came", cure},
		"pings instead": {func(e *evidence) { e.trial.sent, e.trial.untold = nil, "403" }, OK, "longest silence was 10s, with a heartbeat of 10s (no events were published: 403)", ""},
		"late pings": {func(e *evidence) {
			e.trial.sent = nil
			e.idle = streamOf(20_000, "none", kindPing, 19_000, 19_001)
		}, Fault, "longest silence was 19s", cure},
		"no topics":  {func(e *evidence) { e.trial.plain, e.byQuery = streamOf(9000, "none", kindPing), e.idle }, OK, "the topic does not reach the node", ""},
		"no stream":  {func(e *evidence) { e.idle = record{answered: at(1), reply: reply{status: 404}, ended: true} }, Skipped, "see answer", ""},
		"nobody":     {func(e *evidence) { e.head.err = errTest }, Skipped, "nobody has answered", ""},
		"caddy only": {func(e *evidence) { e.idle.blocks = nil; e.head.header.Set("Server", "Caddy") }, Fault, "", "response_buffers"},
	})
}
