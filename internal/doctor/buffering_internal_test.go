package doctor

import "testing"

func TestBuffering(t *testing.T) {
	const cure = "proxy_buffering off;"
	judge(t, (*evidence).buffering, map[string]sick{
		"no headers": {func(e *evidence) { e.idle = record{asked: began, until: at(6000)} }, Fault, "not even the headers came in 6s", cure},
		"no block":   {func(e *evidence) { e.idle.blocks = nil; e.idle.until = at(6000) }, Fault, "no block in 6s", cure},
		"late hello": {func(e *evidence) { e.idle.blocks[0].at = at(1500) }, Warning, "hello 1.5s after the headers", cure},
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
