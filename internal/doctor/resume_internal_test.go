package doctor

import "testing"

func TestResume(t *testing.T) {
	gap := func(e *evidence) {
		e.byQuery.blocks = append(e.byQuery.blocks, block{at: at(4), kind: kindGap, reason: "lost"})
	}
	judge(t, (*evidence).resume, map[string]sick{
		"new by header": {func(e *evidence) { e.byHeader = e.idle }, Fault, "Last-Event-ID is taken for a new one", "proxy_set_header Last-Event-ID $http_last_event_id;"},
		"new by query":  {func(e *evidence) { e.byQuery = e.idle }, Fault, "lastEventId is taken for a new one", "proxy_pass http://nodes;"},
		"no hello":      {func(e *evidence) { e.byHeader = record{} }, Fault, "has no hello", ""},
		"gap":           {gap, Warning, `a gap ("lost")`, ""},
		"gap elsewhere": {func(e *evidence) {
			gap(e)
			e.byQuery.blocks[0].hello.Node = "two"
		}, Fault, "do not share their history; nodes seen: one, two", shareCure()[0].Line},
		"not live": {func(e *evidence) { e.byHeader.blocks = e.byHeader.blocks[:1] }, Warning, "does not get live", ""},
		"nothing":  {func(e *evidence) { e.idle = record{reply: reply{err: errTest}} }, Skipped, "see answer", ""},
	})
}
