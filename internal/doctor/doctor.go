package doctor

import (
	"context"
	"fmt"
	"slices"
)

// Run looks at the path and reports. With a heartbeat of 15 seconds it takes about 35 seconds. It returns an error where the
// configuration is wrong, or ctx ends first; whatever is wrong with the path is in the report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	endpoint, err := cfg.endpoint()
	if err != nil {
		return Report{}, err
	}
	p := newProber(cfg, endpoint)
	defer p.close()
	e := p.gather(ctx)
	if err = ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("examine the path: %w", err)
	}
	r := e.report()
	r.URL = endpoint.String()
	newWasher(cfg).report(&r)
	return r, nil
}

// report judges.
func (e *evidence) report() Report {
	r := Report{Version: 1, Proxies: []string{}, Nodes: e.nodes()}
	r.Proxies = append(r.Proxies, e.path().names...)
	r.Findings = []Finding{
		e.reach(), e.security(), e.httpVersion(), e.answer(), e.buffering(), e.compression(), e.idleTimeout(), e.headerLimits(),
		e.headersPass(), e.crossOrigin(), e.resume(),
	}
	r.Reached = e.head.err == nil && !e.nobodyBehind()
	r.Refused = e.refused()
	r.Level = worst(r.Findings)
	return r
}

// nodes returns the names of the nodes that streams came from.
func (e *evidence) nodes() []string {
	names := []string{}
	for _, r := range []record{e.idle, e.trial.plain, e.trial.packed, e.byHeader, e.byQuery} {
		b, found := r.find(kindHello)
		if name := foreign(b.hello.Node); found && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// nobodyBehind reports whether a proxy has answered that has no node.
func (e *evidence) nobodyBehind() bool {
	return e.head.gateway() || e.idle.reply.gateway() || e.sentAway()
}

// sentAway reports whether the stream ended before it began, as deploy/ does it when no node is ready.
func (e *evidence) sentAway() bool {
	return e.idle.isStream() && e.idle.ended && e.idle.err == nil && len(e.idle.blocks) == 0 && e.idle.retry
}
