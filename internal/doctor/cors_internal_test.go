package doctor

import "testing"

func TestCrossOrigin(t *testing.T) {
	const origin = "https://app.example"
	judge(t, (*evidence).crossOrigin, map[string]sick{
		"twice":         {func(e *evidence) { e.cors.header.Add(allowOrigin, "*") }, Fault, "1 times in the preflight's answer, 2 times in the stream's", "add_header Access-Control-Allow-Origin"},
		"on one line":   {func(e *evidence) { e.preflight.header.Set(allowOrigin, origin+", *") }, Fault, "2 times in the preflight's answer", "add_header Access-Control-Allow-Origin"},
		"not allowed":   {func(e *evidence) { e.cors, e.preflight = okReply(), okReply() }, Fault, "is not allowed", `cors: {origins: ["https://app.example"]}`},
		"another":       {func(e *evidence) { e.cors.header.Set(allowOrigin, "https://other.example") }, Fault, "not the origin that asked", "proxy_set_header Origin $http_origin;"},
		"no preflight":  {func(e *evidence) { e.preflight = reply{status: 405} }, Fault, "OPTIONS answers 405", "if ($request_method = OPTIONS)"},
		"fewer headers": {func(e *evidence) { e.preflight.header.Set("Access-Control-Allow-Headers", "*") }, Fault, `allows the headers "*"`, "if ($request_method = OPTIONS)"},
		"no Vary":       {func(e *evidence) { e.cors.header.Del("Vary") }, Warning, "Vary: Origin was taken away", "proxy_hide_header Vary;"},
		"no Vary for *": {func(e *evidence) { e.cors = okReply(allowOrigin, "*") }, OK, "allowed once", ""},
		"no answer":     {func(e *evidence) { e.preflight.err = errTest }, Fault, "OPTIONS: test", "if ($request_method = OPTIONS)"},
		"no origin":     {func(e *evidence) { e.cfg.Origin = "" }, Skipped, "--origin", ""},
	})
}
