package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/redis"
	"github.com/pushstream/pushstream/pkg/event"
)

// nodeRights are the rights that a node needs on a standalone server, as the operations guide lists them for the prefix
// pushstream.
const nodeRights = "~pushstream:1:* &pushstream:1:*" +
	" +ping +info +time +function|load +function|list +fcall +subscribe +unsubscribe +publish" +
	" +hget +hset +hmget +hdel +hgetall +hlen +unlink +xadd +xrange +xrevrange +xlen +pexpireat +get +set +getdel"

// ingestRights are those that it needs besides for the ingest stream.
const ingestRights = "~pushstream:ingest ~{pushstream:ingest}:* +multi +exec +xgroup|create +xreadgroup +xack +xdel"

// The rights of publishers that are no nodes. The first two can read nothing.
const (
	addingRights  = "resetkeys %W~pushstream:ingest +xadd"
	liveRights    = "resetkeys resetchannels &pushstream:1:{p0}:log:* +publish"
	sendingRights = "resetkeys ~pushstream:1:{p0}:* resetchannels &pushstream:1:{p0}:log:* +fcall" +
		" +info +time +hget +hset +hmget +unlink +xadd +xrevrange +pexpireat +publish"
)

// grant makes a user of those rights in a prefix, and returns its URL.
func grant(s *redistest.Server, name, prefix, rights string) string {
	args := []any{"ACL", "SETUSER", name, "reset", "on", ">secret"}
	for right := range strings.FieldsSeq(strings.ReplaceAll(rights, "pushstream", prefix)) {
		args = append(args, right)
	}
	s.Do(args...)
	return "redis://" + name + ":secret@" + s.Addr
}

// denied returns what the server has denied to anybody, with the user and the command.
func denied(s *redistest.Server) (all []string) {
	entries, _ := s.Do("ACL", "LOG").([]any)
	for _, entry := range entries {
		fields := make(map[any]any)
		pairs, _ := entry.([]any)
		for ; len(pairs) > 1; pairs = pairs[2:] {
			fields[pairs[0]] = pairs[1]
		}
		if fields["object"] == "client|setinfo" {
			continue // the client library does without: from Redis 7.2 on it tells its name
		}
		all = append(all, fmt.Sprint(fields["username"], " ", fields["reason"], " ", fields["object"]))
	}
	return all
}

func TestANodeNeedsNoMoreThanItsRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	w.config.URL = grant(s, "node", w.config.Prefix, nodeRights+" "+ingestRights)
	require.NoError(t, work(w, s))
	require.Empty(t, denied(s))
	for _, foreign := range [][]any{{"GET", "x"}, {"SUBSCRIBE", "x"}, {"KEYS", "*"}, {"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"EVAL", "return 1", "0"}} {
		require.ErrorContains(t, as(t, w.config.URL).Do(t.Context(), foreign...).Err(), "NOPERM", "%v", foreign)
	}
}

// as returns a client of a user.
func as(t *testing.T, url string) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(url)
	require.NoError(t, err)
	options.Protocol = 2
	client := goredis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// work does everything that an engine can. The error is that of Run.
func work(w *world, s *redistest.Server) error {
	t := w.t
	w.config.RetentionLength, w.config.Linger = 20, 0
	e := w.engine()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	vouched, ran := make(chan struct{}, 1), make(chan error, 1)
	go func() { ran <- e.Run(ctx, told{vouched: vouched}) }() // joined below
	select {
	case <-vouched:
	case err := <-ran:
		return err
	}
	head, err := e.Join(ctx, []event.LogName{topic("a")})
	require.NoError(t, err)
	everyKind(ctx, t, e)
	for i := range 20 {
		require.NoError(t, e.Publish(ctx, []backplane.Publication{numbered(topic("a"), i, 0)})[0].Err)
	}
	through, err := e.Head(ctx, 0)
	require.NoError(t, err)
	pages, err := e.Replay(ctx, []backplane.Query{
		{Log: topic("a"), After: head, Through: through, Limit: 100, Bytes: 1 << 20},
		{Log: topic("never"), After: head, Through: through, Limit: 100, Bytes: 1 << 20},
	})
	require.NoError(t, err)
	require.Equal(t, event.GapTrimmed, pages[0].Gap)
	require.Empty(t, pages[1].Gap)
	require.NoError(t, e.Put(ctx, "ticket", []byte("x"), time.Minute))
	_, err = e.Peek(ctx, "ticket")
	require.NoError(t, err)
	_, err = e.Take(ctx, "ticket")
	require.NoError(t, err)
	_, err = e.Send(ctx, 0, []byte("signal"), time.Minute)
	require.NoError(t, err)
	ingestOne(w, s, e)
	e.Leave([]event.LogName{topic("a")})
	admin := s.Client()
	require.Eventually(t, func() bool {
		return admin.PubSubNumSub(ctx, e.Channel(topic("a"))).Val()[e.Channel(topic("a"))] == 0
	}, patience, 5*time.Millisecond)
	// What only happens after a minute or a day.
	base := w.config.Prefix + ":1:{p0}:head"
	s.Do("HSET", base, "pruned", "0", "turned", "0")
	s.Do("HSET", w.config.Prefix+":1:{p0}:calls", "old", "1 1\nx\n")
	everyKind(ctx, t, e)
	require.Eventually(t, func() bool { return !admin.HExists(ctx, w.config.Prefix+":1:{p0}:calls", "old").Val() }, patience, 5*time.Millisecond)
	old, err := event.NewPosition(head.Timeline(), 1, 0)
	require.NoError(t, err)
	s.Do("HSET", base, "birth", "0-1")
	pages, err = e.Replay(ctx, []backplane.Query{{Log: topic("never"), After: old, Through: through, Limit: 1, Bytes: 1}})
	require.NoError(t, err)
	require.Equal(t, event.GapExpired, pages[0].Gap)
	s.Do("FUNCTION", "FLUSH")
	everyKind(ctx, t, e)
	cancel()
	return <-ran
}

// everyKind publishes an event of each kind.
func everyKind(ctx context.Context, t *testing.T, e *redis.Engine) {
	t.Helper()
	plain, keyed, live := numbered(topic("a"), 0, 0), numbered(topic("b"), 0, 0), numbered(topic("a"), 0, 0)
	keyed.Key, live.LiveOnly = "k", true
	var err error
	keyed.Event.Meta, err = event.ParseObject([]byte(`{"by":"me"}`))
	require.NoError(t, err)
	for _, r := range e.Publish(ctx, []backplane.Publication{plain, keyed, live}) {
		require.NoError(t, r.Err)
	}
}

// ingestOne has a good and a bad entry of the ingest stream read.
func ingestOne(w *world, s *redistest.Server, e *redis.Engine) {
	t := w.t
	t.Helper()
	stream := w.config.Prefix + ":ingest"
	s.Do("XADD", stream, "*", "target", "topic:a", "type", "order.created", "data", "1")
	s.Do("XADD", stream, "*", "target", "nobody")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ingesting sync.WaitGroup // joined below
	ingesting.Go(func() { e.Ingest(ctx, e.Publish) })
	require.Eventually(t, func() bool { return s.Do("XLEN", stream) == int64(0) }, patience, 5*time.Millisecond)
	require.EqualValues(t, 1, s.Do("XLEN", "{"+stream+"}:malformed"))
	cancel()
	ingesting.Wait()
}

// Whoever lacks a right is told where to look.
func TestRunNamesTheCureForMissingRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for name, taken := range map[string]string{
		"channels": "resetchannels", "keys": "resetkeys", "functions": "-fcall", "loading": "-function|load", "info": "-info", "subscribing": "-subscribe", "publishing": "-publish",
	} {
		w := newWorld(t, s.URL())
		w.config.URL = grant(s, name, w.config.Prefix, nodeRights+" "+taken)
		s.Do("FUNCTION", "FLUSH")
		err := ran(t, w.engine())
		require.ErrorContains(t, err, "give the user the rights that the operations guide lists", name)
	}
}

// Publishers that are no nodes need very little.
func TestRightsOfPublishers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newWorld(t, s.URL())
	n := w.node()
	ctx, cancel := context.WithCancel(t.Context())
	var ingesting sync.WaitGroup
	ingesting.Go(func() { n.engine.Ingest(ctx, n.broker.Publish) }) // joined below
	t.Cleanup(func() { cancel(); ingesting.Wait() })
	r := w.read(n, "", topic("a"))
	w.requireKept(w.publisher())
	prefix := w.config.Prefix
	base := prefix + ":1:{p0}:"
	require.NoError(t, n.engine.Put(ctx, "ticket", []byte("x"), time.Minute))

	adding := as(t, grant(s, "adding", prefix, addingRights))
	live := as(t, grant(s, "live", prefix, liveRights))
	sending := as(t, grant(s, "sending", prefix, sendingRights))
	s.Do("ACL", "LOG", "RESET")
	require.NoError(t, adding.Do(ctx, "XADD", prefix+":ingest", "*", "target", "topic:a", "type", "by.ingest", "data", "1").Err())
	require.NoError(t, live.Do(ctx, "PUBLISH", base+"log:default:topic:a", `{"type":"by.publish","data":1}`).Err())
	require.NoError(t, sending.Do(ctx, "FCALL", "pushstream_1_send", 2, base+"head", base+"log:default:topic:a", "by.send", "1", "key").Err())
	s.Do("HSET", base+"head", "turned", "0")
	require.NoError(t, sending.Do(ctx, "FCALL", "pushstream_1_send", 2, base+"head", base+"log:default:topic:b", "by.send", "1", "key", "{}").Err())
	require.Empty(t, denied(s))
	kinds := func() (all []string) {
		for _, b := range r.all() {
			if strings.HasPrefix(b.kind, "by.") {
				all = append(all, b.kind)
			}
		}
		return all
	}
	require.Eventually(t, func() bool { return len(kinds()) == 3 }, patience, 5*time.Millisecond)
	require.ElementsMatch(t, []string{"by.ingest", "by.publish", "by.send"}, kinds())

	log := base + "log:default:topic:a"
	reading := [][]any{
		{"XRANGE", log, "-", "+"},
		{"XREAD", "STREAMS", log, "0"},
		{"XREAD", "STREAMS", prefix + ":ingest", "0"},
		{"XRANGE", prefix + ":ingest", "-", "+"},
		{"SUBSCRIBE", log},
		{"PSUBSCRIBE", "*"},
		{"GET", prefix + ":1:ticket:ticket"},
		{"HGETALL", base + "keys:0"},
		{"KEYS", "*"},
		{"SCAN", "0"},
		{"MONITOR"},
		{"EVAL", "return 1", "0"},
		{"DEL", log},
	}
	for _, command := range reading {
		for name, client := range map[string]*goredis.Client{"adding": adding, "live": live, "sending": sending} {
			require.ErrorContains(t, client.Do(ctx, command...).Err(), "NOPERM", "%s: %v", name, command)
		}
	}
	for _, command := range [][]any{{"XREVRANGE", log, "+", "-"}, {"HMGET", base + "head", "at"}, {"FCALL", "pushstream_1_replay", 1, base + "head", "1 1 1 1"}} {
		require.ErrorContains(t, adding.Do(ctx, command...).Err(), "NOPERM", "%v", command)
		require.ErrorContains(t, live.Do(ctx, command...).Err(), "NOPERM", "%v", command)
	}
}
