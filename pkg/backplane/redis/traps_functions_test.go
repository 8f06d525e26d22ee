package redis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// functions calls the functions of one partition as anybody can.
type functions struct {
	t       *testing.T
	client  *goredis.Client
	prefix  string // of all names
	base    string // of the partition's keys
	version string
}

// functionsOf returns the functions of the first partition of a world, loaded.
func functionsOf(w *world, s *redistest.Server) functions {
	w.t.Helper()
	_, err := w.engine().Head(w.t.Context(), 0)
	require.NoError(w.t, err)
	return functions{t: w.t, client: s.Client(), prefix: w.config.Prefix, base: w.config.Prefix + ":1:{p0}:", version: "1"}
}

func (f functions) try(function string, keys []string, args ...any) (any, error) {
	for i := range keys {
		keys[i] = f.base + keys[i]
	}
	return f.client.FCall(context.WithoutCancel(f.t.Context()), "pushstream_"+f.version+"_"+function, keys, args...).Result()
}

// send calls send for a log, named without its base.
func (f functions) send(log string, args ...any) (string, error) {
	answer, err := f.try("send", []string{"head", log}, args...)
	position, _ := answer.(string)
	return position, err
}

// publish publishes a 1 to a topic under the number of a call, and returns the position.
func (f functions) publish(lane string, number int) (string, error) {
	answer, err := f.try("publish", []string{"head", "calls", "keys:0", "keys:1", "log:default:topic:a"},
		"1 1000 86400000 600000", lane, number, "1", "order.created", "1", "", "", "")
	if err != nil {
		return "", err
	}
	results, _ := answer.([]any)
	require.Len(f.t, results, 2)
	return fmt.Sprint(results[1]), nil
}

func (f functions) length(log string) int64 {
	f.t.Helper()
	n, err := f.client.XLen(f.t.Context(), f.base+log).Result()
	require.NoError(f.t, err)
	return n
}

func (f functions) head() event.Position {
	f.t.Helper()
	answer, err := f.try("head", []string{"head"}, "1 1000 86400000 600000")
	require.NoError(f.t, err)
	results, _ := answer.([]any)
	require.Len(f.t, results, 1)
	_, at, _ := strings.Cut(fmt.Sprint(results[0]), " ")
	p, err := event.ParsePosition(at)
	require.NoError(f.t, err)
	return p
}

// What send accepts, readers get; what they could not read, or nobody could, is refused with a reason.
func TestSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Shared(t).URL())
	f := functionsOf(w, redistest.Shared(t))
	const notTarget, notType, notData, notMeta, notKey = "the second key is not " + "%s" + "log:TENANT:TARGET", "the type is not domain.action",
		"the data is not JSON", "the meta is not a JSON object", "the key has more than 200 bytes"
	for log, ok := range map[string]bool{
		"log:default:user:42": true, "log:default:all": true, "log:default:session:x": true, "log:a.b-c_D:topic:a:b": true,
		"log:default:user:a%40example.org": true, "log:default:user:zo%C3%AB": true, "log:default:user:%7Ex": false, "log:default:user:~x": true,
		"log:default:user:" + strings.Repeat("x", 200): true, "log:default:user:" + strings.Repeat("x", 201): false,
		"log:default:user:" + strings.Repeat("%C3%AB", 100): true, "log:default:user:" + strings.Repeat("%C3%AB", 101): false,
		"log:default:user:": false, "log:default:users:42": false, "log:default:All": false, "log:default:": false, "log:default": false,
		"log::user:42": false, "log:a b:user:42": false, "log:" + strings.Repeat("t", 65) + ":user:42": false, "log:a%2Fb:user:42": false,
		"log:default:user:a@example.org": false, "log:default:user:a%4example": false, "log:default:user:a%4": false, "log:default:user:a%": false,
		"log:default:user:a%2a": false, "log:default:user:a%2A": false, "log:default:user:%41": false, "log:default:user:a%20b": false,
		"log:default:user:a%0Ab": false, "log:default:user:a%7Bb": false, "log:default:user:%FF": false, "log:default:user:%ed%a0%80": false,
		"log:default:user:%ED%A0%80": false, "log:default:user:a b": false, "log:default:user:a{b": false, "log:default:user:zoë": false,
		"head": false, "calls": false, "logs:default:user:42": false,
	} {
		_, err := f.send(log, "order.created", "1")
		if ok {
			require.NoError(t, err, log)
		} else {
			require.ErrorContains(t, err, fmt.Sprintf(notTarget, f.base), log)
		}
	}
	for kind, ok := range map[string]bool{
		"order.created": true, "a.b.c": true, "A-1._": true, strings.Repeat("a", 98) + ".b": true, "pushstreams.x": true,
		strings.Repeat("a", 99) + ".b": false, "order": false, "": false, ".": false, "a.": false, ".a": false, "a..b": false, "a b.c": false,
		"pushstream.x": false, "PushStream.gap": false, "ä.b": false, "a.b\n": false,
	} {
		_, err := f.send("log:default:topic:a", kind, "1")
		_, wanted := event.ParseType(kind)
		require.Equal(t, ok, wanted == nil, "nodes think otherwise of type %q", kind)
		if ok {
			require.NoError(t, err, kind)
		} else {
			require.ErrorContains(t, err, notType, kind)
		}
	}
	long := strings.Repeat("k", 200)
	_, err := f.send("log:default:topic:a", "order.created", "1", long)
	require.NoError(t, err)
	_, err = f.send("log:default:topic:a", "order.created", "1", long+"k")
	require.ErrorContains(t, err, notKey)
	for meta, ok := range map[string]bool{"": true, "{}": true, ` {"a":1}`: true, "[]": false, "1": false, "{": false, `{"a":01}`: false} {
		_, err = f.send("log:default:topic:a", "order.created", "1", "", meta)
		if ok {
			require.NoError(t, err, meta)
		} else {
			require.ErrorContains(t, err, notMeta, meta)
		}
	}
	for _, args := range [][]any{{}, {"order.created"}} {
		_, err = f.send("log:default:topic:a", args...)
		require.Error(t, err)
	}
	_, err = f.try("send", []string{"head"}, "order.created", "1")
	require.ErrorContains(t, err, fmt.Sprintf(notTarget, f.base))
	_, err = f.try("send", []string{"log:default:topic:a", "head"}, "order.created", "1")
	require.ErrorContains(t, err, "the first key is not the head of a partition")
}

// The functions and the nodes agree about what JSON is, but for lone surrogates, which only nodes take.
func TestSendTakesTheJSONThatNodesTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Shared(t).URL())
	f := functionsOf(w, redistest.Shared(t))
	for _, data := range []string{
		"1", "01", "-1", "+1", "1.", ".5", "0.5", "1e5", "1E+05", "1e", "1e+", "-", "--1", "-0", "-01", "0x10", "NaN", "nan", "Infinity", "-inf", "1-2", "1_0",
		"123456789012345678901234567890", "1E400", "true", "tru", "null", "nullnull", "true,", "[true,false,null]", "[truefalse]", "[1 2]", "[1,]", "[]", "[[[]]]",
		"{}", `{"a":1}`, `{"a":01}`, `{"a":1,}`, "{a:1}", "{'a':1}", `{"a" :` + "\n1}", `{"a":1,"a":2}`, `{"a":1}x`, `{"a":"NaN, 01 and \"1.\""}`,
		`"a"`, `"a`, `"\"`, `"\\"`, `"\\\""`, `"a\nb"`, "\"a\nb\"", "\"a\tb\"", "\"a\x00b\"", "\"a\x7fb\"", `"\u0041"`, `"\u00"`, `"\x"`, `"\/"`,
		`"é"`, "\"\xff\"", "\"\xc3\"", "\"\xc3\xa9\xa9\"", "\"\xe2\x82\xac\"", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x8f\x98\x80\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"", "\"\xf4\x90\x80\x80\"",
		"\xef\xbb\xbf1", "", " ", " 1 ", "\x0b1", "1\x00", "1/2", "/*x*/1", "// 1", `{"a":[1,{"b":[]}]}`, `"{"`, `"[1,"`, "x",
	} {
		_, err := f.send("log:default:topic:json", "order.created", data)
		_, wanted := event.ParseJSON([]byte(data))
		if wanted == nil {
			require.NoError(t, err, "%q", data)
		} else {
			require.ErrorContains(t, err, "the data is not JSON", "%q", data)
		}
	}
	e := w.engine()
	log := topic("json")
	begun := f.client.HMGet(t.Context(), f.base+"head", "tag", "birth").Val()
	cursor, err := event.ParsePosition(fmt.Sprintf("%s.%s", begun...))
	require.NoError(t, err)
	head, err := e.Head(t.Context(), 0)
	require.NoError(t, err)
	pages, err := e.Replay(t.Context(), []backplane.Query{{Log: log, After: cursor, Through: head, Limit: 1000, Bytes: 1 << 20}})
	require.NoError(t, err)
	require.Empty(t, pages[0].Gap)
	require.Len(t, pages[0].Entries, int(f.length("log:default:topic:json")))
}

func TestSendKnowsItsPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Shared(t).URL())
	w.config.Partitions = 3
	f := functionsOf(w, redistest.Shared(t))
	e := w.engine()
	for p := range 3 {
		_, err := e.Head(t.Context(), backplane.Partition(p))
		require.NoError(t, err)
	}
	for i := range 50 {
		tenant, err := event.ParseTenant(fmt.Sprint("tenant-", i, strings.Repeat("x", i%7)))
		require.NoError(t, err)
		own := backplane.PartitionOf(tenant, 3)
		for p := range 3 {
			f.base = fmt.Sprintf("%s:1:{p%d}:", f.prefix, p)
			_, err := f.send("log:"+tenant.String()+":all", "order.created", "1")
			if backplane.Partition(p) == own {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, fmt.Sprintf("is in partition {p%d}", own))
			}
		}
	}
}

func TestSentEventsArriveAndKeysAreForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Shared(t).URL()).calm()
	f := functionsOf(w, redistest.Shared(t))
	n := w.node()
	r := w.read(n, "", topic("a"))
	first, err := f.send("log:default:topic:a", "order.created", ` {"id": 7} `, "k", `{"by": "me"}`)
	require.NoError(t, err)
	again, err := f.send("log:default:topic:a", "order.created", "8", "k")
	require.NoError(t, err)
	require.Equal(t, first, again, "the same key: the first one's position")
	other, err := f.send("log:default:topic:b", "order.created", "8", "k")
	require.NoError(t, err)
	require.NotEqual(t, first, other, "a key belongs to a target")

	publication := numbered(topic("a"), 0, 0)
	publication.Key = "k"
	results := n.engine.Publish(t.Context(), []backplane.Publication{publication})
	require.NoError(t, results[0].Err)
	require.Equal(t, first, results[0].Positions[0].String(), "nodes know it")
	w.requireKept(w.publisher())
	var got []block
	for _, b := range r.all() {
		if b.kind == "order.created" {
			got = append(got, b)
		}
	}
	require.Len(t, got, 1)
	require.Equal(t, first, got[0].position)
	require.Equal(t, 1, n.tally.of("vouched"))
	require.Zero(t, n.tally.of("doubt chain"))
}

// A log that outlived its partition's head may be ahead of the clock.
func TestALogIsAheadOfTheHead(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	w := newWorld(t, s.URL())
	f := functionsOf(w, s)
	ahead := time.Now().Add(time.Hour).UnixMilli()
	s.Do("XADD", f.base+"log:default:topic:a", fmt.Sprintf("%d-7", ahead), "type", "order.created", "data", "0", "prev", "1-0")
	e := w.engine()
	var publications []backplane.Publication
	for i, name := range []string{"b", "a", "b", "a"} {
		publications = append(publications, numbered(topic(name), i, 0))
	}
	last := f.head()
	for i, r := range e.Publish(t.Context(), publications) {
		require.NoError(t, r.Err)
		require.True(t, r.Positions[0].After(last), "%v behind %v", r.Positions[0], last)
		require.Equal(t, i > 0, r.Positions[0].Millis() >= uint64(ahead), "%v", r.Positions[0])
		last = r.Positions[0]
	}
	require.False(t, last.After(f.head()))
	position, err := f.send("log:default:topic:b", "order.created", "1")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%s.%d-%d", last.Timeline(), last.Millis(), last.Seq()+1), position)
}

// Of the timelines that have ended, the last sixteen are known. Whoever comes back from an older one is told.
func TestTimelinesAreForgotten(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	w := newWorld(t, s.URL())
	f := functionsOf(w, s)
	e := w.engine()
	var cursors []event.Position
	const lives = 20
	for range lives {
		results := e.Publish(t.Context(), []backplane.Publication{numbered(topic("a"), 0, 0)})
		require.NoError(t, results[0].Err)
		cursors = append(cursors, results[0].Positions[0])
		s.Do("HSET", f.base+"head", "run", "another") // as after a restart
	}
	head, err := e.Head(t.Context(), 0)
	require.NoError(t, err)
	seen := map[string]bool{head.Timeline(): true}
	for i, c := range cursors {
		require.False(t, seen[c.Timeline()], "tags are never the same")
		seen[c.Timeline()] = true
		pages, err := e.Replay(t.Context(), []backplane.Query{{Log: topic("a"), After: c, Through: head, Limit: 100, Bytes: 1 << 20}})
		require.NoError(t, err)
		if i < lives-16 {
			require.Equal(t, event.GapLost, pages[0].Gap, "%d", i)
			continue
		}
		require.Equal(t, event.GapNone, pages[0].Gap, "%d", i)
		require.Len(t, pages[0].Entries, lives-1-i)
		for n, entry := range pages[0].Entries {
			require.Equal(t, cursors[i+1+n], entry.Position, "each with the tag of its own timeline")
		}
	}
	require.Equal(t, fmt.Sprintf("%d-%d", cursors[3].Millis(), cursors[3].Seq()), f.client.HGet(t.Context(), f.base+"head", "birth").Val())
}

// A copy of a call that was given up may be executed late. It must not store anything then.
func TestStaleCallsAreRefused(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	f := functionsOf(newWorld(t, s.URL()), s)
	first, err := f.publish("lane", 7)
	require.NoError(t, err)
	again, err := f.publish("lane", 7)
	require.NoError(t, err)
	require.Equal(t, first, again)
	next, err := f.publish("lane", 9)
	require.NoError(t, err)
	require.NotEqual(t, first, next)
	for _, number := range []int{7, 8} {
		_, err = f.publish("lane", number)
		require.ErrorContains(t, err, "PUSHSTREAM STALE")
	}
	require.EqualValues(t, 2, f.length("log:default:topic:a"))
	_, err = f.publish("another", 7)
	require.NoError(t, err)
	require.EqualValues(t, 3, f.length("log:default:topic:a"))
}

// What the store has of another kind under the name of a log is an error for its publishers, a loss for its readers, and
// nothing to anybody else.
func TestALogIsSomethingElse(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	w := newWorld(t, s.URL())
	n := w.node()
	r := w.read(n, "", topic("a"), topic("b"))
	p := w.publisher()
	first := p.publish(topic("b"))
	require.NoError(t, first.err)
	s.Do("SET", n.engine.Channel(topic("a")), "x")
	results := n.engine.Publish(t.Context(), []backplane.Publication{numbered(topic("a"), 0, 0), numbered(topic("b"), 0, 0)})
	require.ErrorContains(t, results[0].Err, "WRONGTYPE")
	require.NoError(t, results[1].Err)
	require.Empty(t, r.gaps())
	// A node that has relayed nothing of the log yet has to read it.
	again := w.read(w.node(), first.position.String(), topic("a"), topic("b"))
	require.Eventually(t, func() bool { return len(again.gaps()) > 0 }, patience, 5*time.Millisecond)
	require.Equal(t, []string{"topic:a lost"}, again.gaps())
	require.NoError(t, p.publish(topic("b")).err)
	require.Eventually(t, func() bool { return again.newest() == 1 && r.newest() == 1 }, patience, 5*time.Millisecond)
}

// Settings, and a first key, that are wrong.
func TestFunctionsRefuseWhatTheyCannotServe(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	f := functionsOf(newWorld(t, s.URL()), s)
	for settings, text := range map[string]string{
		"2 1000 86400000 600000": "LAYOUT this deployment has 1 partitions and not 2",
		"1 1000":                 "the settings are not PARTITIONS LENGTH AGE KEYAGE",
		"":                       "the settings are not PARTITIONS LENGTH AGE KEYAGE",
	} {
		for _, function := range []string{"head", "replay", "canary", "publish"} {
			_, err := f.try(function, []string{"head"}, settings)
			require.ErrorContains(t, err, text, function)
		}
	}
}
