package doctor

import "testing"

func TestCompression(t *testing.T) {
	const cure = "gzip off;"
	pack := func(coding string) func(*evidence) {
		return func(e *evidence) { e.trial.packed.reply = okReply("Content-Encoding", coding) }
	}
	judge(t, (*evidence).compression, map[string]sick{
		"at once": {pack("gzip"), Warning, "compressed (gzip), but blocks come at once", cure},
		"late": {func(e *evidence) {
			pack("gzip")(e)
			e.trial.packed.blocks[3].at = at(2000)
		}, Fault, "blocks are held back", cure},
		"lost": {func(e *evidence) {
			pack("gzip")(e)
			e.trial.packed.blocks = e.trial.packed.blocks[:3]
		}, Fault, "blocks are held back", cure},
		"unreadable, at once": {func(e *evidence) {
			pack("br")(e)
			e.trial.packed.blocks, e.trial.packed.reads = nil, append(e.trial.packed.reads, at(5), at(301))
		}, Warning, "compressed (br)", cure},
		"unreadable, late": {func(e *evidence) {
			pack("br")(e)
			e.trial.packed.blocks, e.trial.packed.reads = nil, append(e.trial.packed.reads, at(5))
		}, Fault, "compressed (br)", cure},
		"unasked":    {func(e *evidence) { e.idle.reply = okReply("Content-Encoding", "gzip") }, Fault, "although that was not asked for", cure},
		"identity":   {pack("identity"), OK, "not compressed", ""},
		"no headers": {func(e *evidence) { e.trial.packed = record{} }, Fault, "not even headers", cure},
		"no block":   {func(e *evidence) { e.trial.packed.blocks = nil }, Fault, "has no block", cure},
		"broken off": {func(e *evidence) { e.trial.packed.reply.err = errTest }, Fault, "broke off: test", cure},
		"transform":  {func(e *evidence) { e.trial.packed.reply.header.Set("Cache-Control", "no-store") }, Warning, "no-transform was taken away", "proxy_hide_header Cache-Control;"},
	})
}
