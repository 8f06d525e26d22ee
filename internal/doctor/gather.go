package doctor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// events is how many events a run publishes.
	events = 5
	// soon is what takes longer than anything that is passed on at once.
	soon = time.Second
	// slack is how much longer than it should a stream is watched: a fresh reader goes live about a second after its hello.
	slack = 3 * time.Second
	// maxHeartbeat is the longest heartbeat that is believed.
	maxHeartbeat = 10 * time.Minute
	// longCursor is the length of the longest id that a node gives.
	longCursor = 128
)

// codings are what browsers can read.
const codings = "gzip, deflate, br, zstd"

// evidence is all that was seen of a path. Checks judge it.
type evidence struct {
	cfg Config

	head      reply  // to HEAD, which is answered at once
	idle      record // a stream that was left alone
	watch     time.Duration
	trial     trial
	byHeader  record // a stream that came back with Last-Event-ID
	byQuery   record // one that came back with lastEventId, and asked for envelopes
	cursor    reply  // to a Last-Event-ID of longCursor bytes
	tokens    []sized
	preflight reply
	cors      reply // to HEAD with Origin
}

// sized is the answer to a credential of a size.
type sized struct {
	reply

	bytes int
}

// sent is an event that was published.
type sent struct {
	at    time.Time
	reply reply
}

// trial is two streams, and events that were published to both.
type trial struct {
	plain  record
	packed record // it asked for compression
	sent   []sent
	untold string // why nothing was published
}

// heartbeat returns what the hello says; 0 without one.
func (e *evidence) heartbeat() time.Duration {
	b, _ := e.idle.find(kindHello)
	return min(time.Duration(b.hello.HeartbeatMS)*time.Millisecond, maxHeartbeat)
}

// path returns who is on the way.
func (e *evidence) path() *path { return pathOf(e.head.header, e.idle.reply.header) }

// gather looks at the path.
func (p *prober) gather(ctx context.Context) *evidence {
	e := &evidence{cfg: p.cfg}
	e.head = p.head(ctx, topics(p.cfg.Topics...), nil)
	if e.head.err != nil {
		return e
	}
	idle := p.open(ctx, topics(p.cfg.Topics...), nil)
	idle.await(ctx, p.cfg.Patience, func(r record) bool { return r.has(kindHello) })
	e.idle = idle.look()
	first, opened := e.idle.find(kindHello)

	var group sync.WaitGroup
	group.Go(func() { e.cursor, e.tokens = p.headers(ctx) })
	if p.cfg.Origin != "" {
		group.Go(func() { e.preflight, e.cors = p.crossOrigin(ctx) })
	}
	if opened {
		group.Go(func() { e.trial = p.try(ctx) })
		group.Go(func() {
			e.byHeader = p.comeBack(ctx, topics(p.cfg.Topics...), http.Header{"Last-Event-Id": {first.id}})
		})
		group.Go(func() {
			query := topics(p.cfg.Topics...)
			query.Set("lastEventId", first.id)
			query.Set("envelope", "1")
			e.byQuery = p.comeBack(ctx, query, nil)
		})
		e.watch = p.leaveAlone(ctx, idle, e.heartbeat())
	}
	group.Wait()
	e.idle = idle.close()
	return e
}

// leaveAlone waits for two pings, or for as long as the configuration says. It returns how long it meant to.
func (p *prober) leaveAlone(ctx context.Context, idle *stream, heartbeat time.Duration) time.Duration {
	watch, pings := 2*heartbeat+slack, 2
	if p.cfg.Duration > 0 {
		watch, pings = p.cfg.Duration, maxBlocks
	}
	idle.await(ctx, watch, func(r record) bool {
		seen := 0
		for _, b := range r.blocks {
			if b.kind == kindPing {
				seen++
			}
		}
		return seen >= pings
	})
	return watch
}

// comeBack opens a stream with a cursor and reads until it is live.
func (p *prober) comeBack(ctx context.Context, query url.Values, header http.Header) record {
	s := p.open(ctx, query, header)
	s.await(ctx, p.cfg.Patience, func(r record) bool { return r.has(kindLive) })
	return s.close()
}

// try publishes events to two streams, of which one has asked for compression.
func (p *prober) try(ctx context.Context) trial {
	names, target, untold := p.target(ctx)
	plain := p.open(ctx, topics(names...), nil)
	packed := p.open(ctx, topics(names...), http.Header{"Accept-Encoding": {codings}})
	isLive := func(r record) bool { return r.has(kindLive) }
	plain.await(ctx, p.cfg.Patience, isLive)
	packed.await(ctx, min(p.cfg.Patience, 2*time.Second), isLive) // it began at the same time
	t := trial{untold: untold}
	if t.untold == "" && !plain.look().has(kindLive) {
		t.untold = "the stream did not go live"
	}
	if t.untold == "" {
		t.sent, t.untold = p.publishAll(ctx, plain, target)
	}
	if len(t.sent) > 0 {
		all := func(r record) bool { return len(arrivals(r)) == len(t.sent) }
		plain.await(ctx, p.cfg.Patience, all)
		packed.await(ctx, soon, all)
	}
	t.plain, t.packed = plain.close(), packed.close()
	return t
}

// publishAll publishes one event after the other, each when the one before has come, or has had a second to.
func (p *prober) publishAll(ctx context.Context, plain *stream, target string) (all []sent, untold string) {
	for number := 1; number <= events; number++ {
		one := sent{at: time.Now(), reply: p.publish(ctx, target, number)}
		if one.reply.err != nil || one.reply.status != http.StatusOK {
			return all, "POST /events answers " + one.reply.String()
		}
		all = append(all, one)
		plain.await(ctx, soon, func(r record) bool { return len(arrivals(r)) >= number })
	}
	return all, ""
}

// arrivals returns when the events of this run came, by number.
func arrivals(r record) map[int]time.Time {
	at := make(map[int]time.Time)
	for _, b := range r.blocks {
		if _, again := at[b.probe]; b.probe > 0 && !again {
			at[b.probe] = b.at
		}
	}
	return at
}

// target returns what to publish to, and the topics that a stream has to ask for to get it: a topic that nobody else
// knows, if the reader may read it. Otherwise the first that was named.
func (p *prober) target(ctx context.Context) (names []string, target, untold string) {
	own := "doctor-" + p.nonce
	names = append([]string{own}, p.cfg.Topics...)
	if r := p.head(ctx, topics(names...), nil); r.err == nil && r.status == http.StatusOK {
		return names, "topic:" + own, ""
	}
	if len(p.cfg.Topics) > 0 {
		return p.cfg.Topics, "topic:" + p.cfg.Topics[0], ""
	}
	return nil, "", "the token may not read a topic of our own; name one for it with --topic"
}

// headers asks with long headers. Smaller credentials are tried as long as larger ones do not get through.
func (p *prober) headers(ctx context.Context) (cursor reply, tokens []sized) {
	cursor = p.head(ctx, nil, http.Header{"Last-Event-Id": {strings.Repeat("a", longCursor)}})
	const scheme = "Bearer "
	for _, size := range []int{maxToken, maxToken / 2, maxToken / 4, 64} {
		header := http.Header{"Authorization": {scheme + noise(size-len(scheme))}}
		one := sized{p.head(ctx, nil, header), size}
		tokens = append(tokens, one)
		if one.passes() {
			break
		}
	}
	return cursor, tokens
}

// noise returns characters as tokens have them. HTTP/2 would make one and the same letter a good deal shorter than those are
// (RFC 7541, section 5.2), and a proxy would take what it refuses of a token.
func noise(size int) string {
	var b strings.Builder
	for b.Len() < size {
		random := make([]byte, 48)
		rand.Read(random)
		b.WriteString(base64.RawURLEncoding.EncodeToString(random))
	}
	return b.String()[:size]
}

// crossOrigin asks as a page of another origin does that comes back: first whether it may, then for the stream.
func (p *prober) crossOrigin(ctx context.Context) (preflight, answer reply) {
	r, err := p.request(ctx, http.MethodOptions, nil, http.Header{
		"Origin": {p.cfg.Origin}, "Access-Control-Request-Method": {http.MethodGet},
		"Access-Control-Request-Headers": {"authorization,last-event-id"},
	})
	if err != nil {
		return reply{err: err}, reply{err: err}
	}
	r.Header.Del("Authorization") // a browser sends none, so nobody on the way may want one
	return p.do(r), p.head(ctx, topics(p.cfg.Topics...), http.Header{"Origin": {p.cfg.Origin}})
}
