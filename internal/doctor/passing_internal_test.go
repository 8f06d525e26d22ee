package doctor

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadersPass(t *testing.T) {
	unauthorized := func(challenge string) reply {
		return reply{status: 401, header: http.Header{"Content-Type": {problemJSON}, "Www-Authenticate": {challenge}}}
	}
	judge(t, (*evidence).headersPass, map[string]sick{
		"no cursor":   {func(e *evidence) { e.byHeader = e.idle }, Fault, "taken away: Last-Event-ID;", "proxy_set_header Last-Event-ID $http_last_event_id;"},
		"no query":    {func(e *evidence) { e.byQuery = e.idle }, Fault, "taken away: the query;", "proxy_pass http://nodes;"},
		"no envelope": {func(e *evidence) { e.byQuery.blocks[0].envelope = false }, Fault, "taken away: the query;", "proxy_pass http://nodes;"},
		"no token":    {func(e *evidence) { e.tokens = []sized{{unauthorized("Bearer"), 8192}} }, Fault, "taken away: Authorization;", "proxy_set_header Authorization $http_authorization;"},
		"token":       {func(e *evidence) { e.tokens = []sized{{unauthorized(`Bearer error="invalid_token"`), 8192}} }, OK, "the query, Authorization", ""},
		"untold":      {func(e *evidence) { e.byHeader, e.byQuery = record{}, record{} }, Skipped, "cannot be told: Last-Event-ID, the query, Authorization", ""},
	})
}

func TestTheProgramsOnTheWay(t *testing.T) {
	p := pathOf(http.Header{"Server": {"openresty/1.2"}, "Via": {"1.1 varnish", "1.1 Caddy"}}, http.Header{"Server": {"openresty/1.2"}})
	require.Equal(t, "on the way: openresty/1.2, 1.1 varnish, 1.1 Caddy", p.String())
	require.Equal(t, []string{nginx, caddy}, p.known)
	require.Len(t, p.cure(Cure{For: nginx}, Cure{For: haproxy}, Cure{For: caddy}, Cure{For: pushstream}), 3)
	require.Len(t, pathOf(http.Header{"Server": {"cloudflare"}}).cure(Cure{For: nginx}, Cure{For: haproxy}), 2)
}
