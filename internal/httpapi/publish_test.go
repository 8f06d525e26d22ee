package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// only checks that a reader, live before and fresh, is given this event next and nothing else of the user alice: so that
// what was published before was not stored, or passed on.
func (n *node) only(t *testing.T, live *reader, cursor string) {
	t.Helper()
	id := n.published(t, `{"target":"user:alice","type":"test.end","data":"end"}`)
	again, seen := n.live(t, "user=alice&topic=t", "Last-Event-ID: "+cursor)
	require.Equal(t, []string{"hello", "test.end", "live"}, types(seen))
	require.Equal(t, id, seen[1].ID)
	again.close()
	m := live.next(t)
	require.Equal(t, "test.end", m.Type, m.Data)
	require.Equal(t, id, m.ID)
}

func TestPublishAndRead(t *testing.T) {
	n := newNode(t)
	for _, enveloped := range []string{"", "&envelope=1"} {
		r := n.open(t, "user=alice&session=s&topic=t"+enveloped)
		before := r.until(t, "pushstream.live")
		for _, target := range []string{"user:alice", "session:s", "topic:t", "all"} {
			id := n.published(t, fmt.Sprintf(`{"target":%q,"type":"order.created","data":{"b":1.50,"a":"\u00e9"},"meta":{"m":[]},"key":""}`, target))
			m := r.next(t)
			require.Equal(t, id, m.ID)
			require.NotEqual(t, before[0].ID, id)
			if enveloped == "" {
				require.Equal(t, sse.Message{ID: id, HasID: true, Type: "order.created", Data: `{"b":1.50,"a":"\u00e9"}`}, m)
				continue
			}
			e := unwrap(t, m)
			require.Equal(t, envelope{
				ID: id, Type: "order.created", Target: target, Data: json.RawMessage(`{"b":1.50,"a":"\u00e9"}`), Meta: json.RawMessage(`{"m":[]}`), Time: e.Time,
			}, e)
			require.NotEmpty(t, e.Time)
		}
		r.close()
	}
	require.InDelta(t, 8, n.count(t, "pushstream_events_published_total", ""), 0)
}

func TestNobodyGetsWhatIsForOthers(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "user=alice&topic=t")
	for _, target := range []string{"user:bob", "session:alice", "topic:alice", "user:t", "user:alice2"} {
		n.published(t, fmt.Sprintf(`{"target":%q,"type":"a.b","data":1}`, target))
	}
	id := n.published(t, `{"target":"user:alice","type":"a.b","data":2}`)
	require.Equal(t, id, r.next(t).ID)
}

func TestAnyJSONValueIsData(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "")
	for _, data := range []string{`null`, `"x"`, `12345678901234567890.10`, `true`, `[]`, `{}`, `"\u2028\ud800\r\n"`} {
		n.published(t, `{"target":"all","type":"a.b","data":`+data+`}`)
		require.Equal(t, data, r.next(t).Data)
	}
	n.published(t, "{\"target\":\"all\",\"type\":\"a.b\",\"data\":{\r\n\"a\" : [ 1,\n2 ]\r}}")
	require.Equal(t, `{"a":[1,2]}`, r.next(t).Data) //nolint:testifylint // what was taken out counts
	for _, data := range []string{`null`, `{"a":1}`} {
		n.published(t, `{"target":"all","type":"a.b","data":1,"meta":`+data+`}`)
	}
}

func TestSeveralTargetsHaveOneId(t *testing.T) {
	n := newNode(t)
	both, _ := n.live(t, "user=alice&topic=t")
	one, _ := n.live(t, "user=bob&topic=t")
	a := n.publish(t, `{"targets":["user:alice","topic:t"],"type":"a.b","data":1}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var stored struct {
		IDs map[string]string `json:"ids"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &stored))
	require.Len(t, stored.IDs, 2)
	require.Equal(t, stored.IDs["user:alice"], stored.IDs["topic:t"])
	next := n.published(t, `{"target":"topic:t","type":"a.b","data":2}`)
	for _, r := range []*reader{both, one} {
		require.Equal(t, stored.IDs["topic:t"], r.next(t).ID)
		require.Equal(t, next, r.next(t).ID, "an event for two targets of a reader comes once")
	}
	a = n.publish(t, `{"targets":["topic:t"],"type":"a.b","data":3}`)
	require.Contains(t, a.body, `{"ids":{"topic:t":"`, "a list of one is a list")
}

func TestLiveOnlyIsPassedOnAndNotStored(t *testing.T) {
	n := newNode(t)
	plain, seen := n.live(t, "topic=t")
	wrapped, _ := n.live(t, "topic=t&envelope=1")
	for _, body := range []string{
		`{"target":"topic:t","type":"typing.started","data":null,"live_only":true}`,
		`{"targets":["topic:t","user:x"],"type":"typing.started","data":null,"live_only":true}`,
	} {
		a := n.publish(t, body)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.JSONEq(t, `{"live":true}`, a.body)
		m := plain.next(t)
		require.Equal(t, "typing.started", m.Type)
		require.False(t, m.HasID)
		m = wrapped.next(t)
		require.False(t, m.HasID)
		require.Empty(t, unwrap(t, m).ID)
		require.Equal(t, "topic:t", unwrap(t, m).Target)
	}
	_, later := n.live(t, "topic=t", "Last-Event-ID: "+seen[0].ID)
	require.Equal(t, []string{"hello", "live"}, types(later))
}

func TestRepeatedKeyIsDeliveredOnce(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "user=alice")
	const body = `{"target":"user:alice","type":"a.b","data":1}`
	first := n.published(t, body, "Idempotency-Key: k1")
	require.Equal(t, first, n.published(t, body, "Idempotency-Key: k1"))
	require.Equal(t, first, n.published(t, `{"target":"user:alice","type":"a.b","data":2,"key":"k1"}`), "the header and the field are one key")
	require.Equal(t, first, n.published(t, `{"target":"user:alice","type":"a.b","data":2,"key":"k2"}`, "Idempotency-Key: k1"), "the header wins")
	second := n.published(t, `{"target":"user:alice","type":"a.b","data":3,"key":"k2"}`)
	require.NotEqual(t, first, second)
	require.Equal(t, first, r.next(t).ID)
	require.Equal(t, second, r.next(t).ID)
	longest := strings.Repeat("k", 200)
	n.published(t, body, "Idempotency-Key: "+longest)
}

func TestOneBadEventDoesNotLoseTheOthers(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "user=alice")
	a := n.publish(t, `[
		{"target":"user:alice","type":"a.b","data":1,"key":"x"},
		{"target":"user:alice","type":"pushstream.bye","data":2},
		{"target":"user:alice","type":"a.b","data":3}
	]`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var batch struct {
		Results []struct {
			ID    string   `json:"id"`
			Error *problem `json:"error"`
		} `json:"results"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &batch))
	require.Len(t, batch.Results, 3)
	require.Equal(t, "invalid", batch.Results[1].Error.Code)
	require.Equal(t, http.StatusUnprocessableEntity, batch.Results[1].Error.Status)
	require.Empty(t, batch.Results[1].ID)
	for i, data := range map[int]string{0: "1", 2: "3"} {
		require.Nil(t, batch.Results[i].Error)
		require.NotEmpty(t, batch.Results[i].ID, data)
	}
	last := n.published(t, `{"target":"user:alice","type":"a.b","data":4}`)
	for _, want := range []struct{ id, data string }{{batch.Results[0].ID, "1"}, {batch.Results[2].ID, "3"}, {last, "4"}} {
		m := r.next(t)
		require.Equal(t, want.id, m.ID)
		require.Equal(t, want.data, m.Data)
	}
	require.InDelta(t, 1, n.count(t, "pushstream_publishes_refused_total", "invalid"), 0)
	require.InDelta(t, 3, n.count(t, "pushstream_events_published_total", ""), 0)
}

func TestLinesAreAnsweredByLines(t *testing.T) {
	n := newNode(t)
	r, _ := n.live(t, "user=alice")
	a := n.do(t, call{method: http.MethodPost, path: "/events", header: []string{ndjsonType + "; charset=utf-8"}, body: strings.Join([]string{
		`{"target":"user:alice","type":"a.b","data":1}`,
		`{"target":"user:alice","type":"a.b",`,
		``,
		`{"target":"user:alice","type":"a.b","data":2} {"target":"user:alice","type":"a.b","data":3}`,
		"{\"target\":\"user:alice\",\"type\":\"a.b\",\"data\":\"\xff\"}",
		`{"targets":["user:alice"],"type":"a.b","data":4}` + "\r",
		`{"target":"user:alice","type":"a.b","data":5,"live_only":true}`,
	}, "\n")})
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "application/x-ndjson", a.header.Get("Content-Type"))
	lines := strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
	require.Len(t, lines, 6, a.body)
	for i, begins := range []string{`{"id":"`, `{"error":{`, `{"error":{`, `{"error":{`, `{"ids":{"user:alice":"`, `{"live":true}`} {
		require.True(t, strings.HasPrefix(lines[i], begins), lines[i])
	}
	for _, line := range lines[1:4] {
		require.Contains(t, line, `"code":"invalid_json"`)
	}
	for _, data := range []string{"1", "4", "5"} {
		require.Equal(t, data, r.next(t).Data)
	}
}

func TestNothingToPublish(t *testing.T) {
	n := newNode(t)
	a := n.publish(t, "[]")
	require.Equal(t, http.StatusOK, a.status)
	require.JSONEq(t, `{"results":[]}`, a.body)
	a = n.do(t, call{method: http.MethodPost, path: "/events", header: []string{ndjsonType}, body: "\n \n"})
	require.Equal(t, http.StatusOK, a.status)
	require.Empty(t, a.body)
}

func compressed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

const goodEvent = `{"target":"user:alice","type":"a.b","data":1}`

// badBodies are bodies that are JSON by their header. file says that the OpenAPI file refuses them too.
func badBodies() map[string]struct {
	body   string
	status int
	code   string
	file   bool
} {
	type bad = struct {
		body   string
		status int
		code   string
		file   bool
	}
	var targets []string
	for i := range 101 {
		targets = append(targets, fmt.Sprintf("%q", fmt.Sprintf("topic:t%d", i)))
	}
	const invalid = http.StatusUnprocessableEntity
	return map[string]bad{
		"target without kind":     {`{"target":"alice","type":"a.b","data":1}`, invalid, "invalid", true},
		"target of another kind":  {`{"target":"group:alice","type":"a.b","data":1}`, invalid, "invalid", true},
		"target without id":       {`{"target":"user:","type":"a.b","data":1}`, invalid, "invalid", true},
		"target with a pattern":   {`{"target":"user:*","type":"a.b","data":1}`, invalid, "invalid", true},
		"target with braces":      {`{"target":"user:{p0}","type":"a.b","data":1}`, invalid, "invalid", true},
		"target with a line end":  {`{"target":"user:alice\n","type":"a.b","data":1}`, invalid, "invalid", true},
		"target with NUL":         {`{"target":"user:alice\u0000","type":"a.b","data":1}`, invalid, "invalid", false},
		"target too long":         {`{"target":"user:` + strings.Repeat("x", 201) + `","type":"a.b","data":1}`, invalid, "invalid", true},
		"target that is a number": {`{"target":1,"type":"a.b","data":1}`, invalid, "invalid", true},
		"no target":               {`{"type":"a.b","data":1}`, invalid, "invalid", true},
		"no targets":              {`{"targets":[],"type":"a.b","data":1}`, invalid, "invalid", true},
		"targets that are none":   {`{"targets":"all","type":"a.b","data":1}`, invalid, "invalid", true},
		"a target that is null":   {`{"targets":["user:alice",null],"type":"a.b","data":1}`, invalid, "invalid", true},
		"both":                    {`{"target":"user:alice","targets":["topic:t"],"type":"a.b","data":1}`, invalid, "invalid", true},
		"a target twice":          {`{"targets":["user:alice","user:alice"],"type":"a.b","data":1}`, invalid, "invalid", true},
		"one bad target of two":   {`{"targets":["user:alice","bob"],"type":"a.b","data":1}`, invalid, "invalid", true},
		"101 targets":             {`{"targets":["user:alice",` + strings.Join(targets[1:], ",") + `],"type":"a.b","data":1}`, invalid, "invalid", true},
		"no type":                 {`{"target":"user:alice","data":1}`, invalid, "invalid", true},
		"type of one word":        {`{"target":"user:alice","type":"created","data":1}`, invalid, "invalid", true},
		"type with CR":            {`{"target":"user:alice","type":"a.b\rid: x","data":1}`, invalid, "invalid", true},
		"type with LF":            {`{"target":"user:alice","type":"a.b\n\ndata: x","data":1}`, invalid, "invalid", true},
		"type too long":           {`{"target":"user:alice","type":"a.` + strings.Repeat("b", 99) + `","data":1}`, invalid, "invalid", true},
		"reserved type":           {`{"target":"user:alice","type":"pushstream.bye","data":1}`, invalid, "invalid", true},
		"reserved, other case":    {`{"target":"user:alice","type":"PushStream.bye","data":1}`, invalid, "invalid", true},
		"no data":                 {`{"target":"user:alice","type":"a.b"}`, invalid, "invalid", true},
		"meta is a list":          {`{"target":"user:alice","type":"a.b","data":1,"meta":[]}`, invalid, "invalid", true},
		"meta is text":            {`{"target":"user:alice","type":"a.b","data":1,"meta":"m"}`, invalid, "invalid", true},
		"key too long":            {`{"target":"user:alice","type":"a.b","data":1,"key":"` + strings.Repeat("k", 201) + `"}`, invalid, "invalid", true},
		"live_only is text":       {`{"target":"user:alice","type":"a.b","data":1,"live_only":"yes"}`, invalid, "invalid", true},
		"unknown field":           {`{"target":"user:alice","type":"a.b","data":1,"ttl":5}`, invalid, "invalid", true},
		"long unknown field":      {`{"target":"user:alice","type":"a.b","data":1,"` + strings.Repeat("f", 5000) + `":5}`, invalid, "invalid", true},
		"null":                    {`null`, invalid, "invalid", true},
		"text":                    {`"user:alice"`, invalid, "invalid", true},
		"event too large":         {`{"target":"user:alice","type":"a.b","data":"` + strings.Repeat("x", 1<<10) + `"}`, 413, "event_too_large", false},
		"meta counts":             {`{"target":"user:alice","type":"a.b","data":1,"meta":{"m":"` + strings.Repeat("x", 1<<10) + `"}}`, 413, "event_too_large", false},
		"batch too large":         {`[` + strings.Repeat(goodEvent+",", 10) + goodEvent + `]`, 413, "batch_too_large", false},
		"body too large":          {`{"target":"user:alice","type":"a.b","data":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "body_too_large", false},
		"broken JSON":             {`{"target":"user:alice","type":"a.b","data":1`, 400, "invalid_json", true},
		"broken array":            {`[` + goodEvent + `,]`, 400, "invalid_json", true},
		"two values":              {goodEvent + goodEvent, 400, "invalid_json", false},
		"no body":                 {``, 400, "invalid_json", true},
		"white space":             {" \r\n", 400, "invalid_json", true},
		"NaN":                     {`{"target":"user:alice","type":"a.b","data":NaN}`, 400, "invalid_json", true},
		"BOM":                     {"\uFEFF" + goodEvent, 400, "invalid_json", true},
		"data is not UTF-8":       {"{\"target\":\"user:alice\",\"type\":\"a.b\",\"data\":\"\xff\"}", 400, "invalid_json", false},
		"target is not UTF-8":     {"{\"target\":\"user:alice\xff\",\"type\":\"a.b\",\"data\":1}", 400, "invalid_json", false},
		"key is not UTF-8":        {"{\"target\":\"user:alice\",\"type\":\"a.b\",\"data\":1,\"key\":\"\xff\"}", 400, "invalid_json", false},
		"deep nesting":            {strings.Repeat("[", 30_000), 400, "invalid_json", true},
		"deep data":               {`{"target":"user:alice","type":"a.b","data":` + strings.Repeat("[", 15_000) + strings.Repeat("]", 15_000) + `}`, 400, "invalid_json", false},
	}
}

func TestBadBodiesStoreNothing(t *testing.T) {
	n := newNode(t)
	live, seen := n.live(t, "user=alice&topic=t")
	for name, bad := range badBodies() {
		t.Run(name, func(t *testing.T) {
			a := n.publish(t, bad.body)
			p := a.refused(t, bad.status, bad.code)
			require.Less(t, len(p.Detail), 500, "what was sent does not come back")
			if bad.file {
				c := call{method: http.MethodPost, path: "/events", header: []string{jsonType}, body: bad.body}
				require.True(t, refusedByFile(t, n.request(t, c)), "the file allows it")
			}
		})
	}
	require.Zero(t, n.count(t, "pushstream_events_published_total", ""))
	n.only(t, live, seen[0].ID)
}

func TestBadHeadersStoreNothing(t *testing.T) {
	n := newNode(t)
	live, seen := n.live(t, "user=alice&topic=t")
	for name, bad := range map[string]struct {
		header []string
		body   string
		status int
		code   string
	}{
		"form":                    {[]string{"Content-Type: application/x-www-form-urlencoded"}, "target=all", 415, "content_type"},
		"multipart":               {[]string{"Content-Type: multipart/form-data; boundary=x"}, goodEvent, 415, "content_type"},
		"JSON as a form":          {[]string{"Content-Type: application/x-www-form-urlencoded"}, goodEvent, 415, "content_type"},
		"JSON as text":            {[]string{"Content-Type: text/plain"}, goodEvent, 415, "content_type"},
		"no type":                 {nil, goodEvent, 415, "content_type"},
		"broken type":             {[]string{"Content-Type: application/json; ="}, goodEvent, 415, "content_type"},
		"compressed":              {[]string{jsonType, "Content-Encoding: gzip"}, compressed(t, goodEvent), 415, "content_encoding"},
		"compressed, says nobody": {[]string{jsonType}, compressed(t, goodEvent), 400, "invalid_json"},
		"one key for a batch":     {[]string{jsonType, "Idempotency-Key: is-for-single-events"}, "[" + goodEvent + "]", 422, "invalid"},
		"key too long":            {[]string{jsonType, "Idempotency-Key: " + strings.Repeat("k", 201)}, goodEvent, 422, "invalid"},
		"foreign host":            {[]string{jsonType, "Host: evil.example"}, goodEvent, 403, "forbidden"},
		"host that looks local":   {[]string{jsonType, "Host: localhost.evil.example:8080"}, goodEvent, 403, "forbidden"},
		"foreign origin":          {[]string{jsonType, "Origin: https://evil.example"}, goodEvent, 403, "forbidden"},
		"opaque origin":           {[]string{jsonType, "Origin: null"}, goodEvent, 403, "forbidden"},
		"Forwarded":               {[]string{jsonType, "Forwarded: for=192.0.2.1"}, goodEvent, 403, "forbidden"},
		"X-Forwarded-For":         {[]string{jsonType, "X-Forwarded-For: 192.0.2.1"}, goodEvent, 403, "forbidden"},
		"empty X-Forwarded-For":   {[]string{jsonType, "X-Forwarded-For: ", "X-Forwarded-For: 192.0.2.1"}, goodEvent, 403, "forbidden"},
		"X-Forwarded-Host":        {[]string{jsonType, "X-Forwarded-Host: localhost"}, goodEvent, 403, "forbidden"},
		"X-Real-IP":               {[]string{jsonType, "X-Real-IP: 127.0.0.1"}, goodEvent, 403, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			n.do(t, call{method: http.MethodPost, path: "/events", header: bad.header, body: bad.body}).refused(t, bad.status, bad.code)
		})
	}
	n.only(t, live, seen[0].ID)
}

func TestRefusalSaysWhatIsMissing(t *testing.T) {
	n := newNode(t)
	for body, part := range map[string]string{
		`{"target":"user:alice","type":"a.b"}`:                  "data is missing",
		`{"type":"a.b","data":1}`:                               "target is missing",
		`{"target":"user:alice","data":1}`:                      "type",
		`{"target":"user:alice","type":"a.b","data":1,"ttl":1}`: "ttl",
		`{"target":7,"type":"a.b","data":1}`:                    "target is a JSON number",
	} {
		require.Contains(t, n.publish(t, body).refused(t, http.StatusUnprocessableEntity, "invalid").Detail, part)
	}
}

func TestIdentityCodingIsNone(t *testing.T) {
	n := newNode(t)
	n.published(t, goodEvent, "Content-Encoding: identity")
}

func TestBodyOverTheLimitWithoutALength(t *testing.T) {
	n := newNode(t)
	live, seen := n.live(t, "user=alice&topic=t")
	c := call{method: http.MethodPost, path: "/events", header: []string{jsonType}}
	r := n.request(t, c)
	r.ContentLength = -1 // chunked
	r.Body = readCloser{strings.NewReader(`{"target":"user:alice","type":"a.b","data":"` + strings.Repeat("x", 64<<10) + `"}`)}
	response, err := n.client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	require.True(t, response.Close, "the rest of the body is not read")
	n.only(t, live, seen[0].ID)
}

// A publisher that dies in the midst of its body has published nothing, however much like an event it is.
func TestBodyThatIsCutOff(t *testing.T) {
	n := newNode(t)
	live, seen := n.live(t, "user=alice&topic=t")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /events HTTP/1.1\r\nHost: localhost\r\n%s\r\nContent-Length: 1000\r\n\r\n%s", jsonType, goodEvent)
	require.NoError(t, err)
	half, isHalf := conn.(interface{ CloseWrite() error })
	require.True(t, isHalf)
	require.NoError(t, half.CloseWrite())
	readAnswer(t, bufio.NewReader(conn)).refused(t, http.StatusBadRequest, "body")
	n.only(t, live, seen[0].ID)
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestPublishRate(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.PublishRate, s.api.PublishBurst = 0.001, 3 })
	live, seen := n.live(t, "user=alice&topic=t")
	first := n.published(t, goodEvent)
	n.publish(t, `[`+goodEvent+`,`+goodEvent+`,`+goodEvent+`]`).refused(t, http.StatusTooManyRequests, "publish_rate")
	a := n.publish(t, `[`+strings.Repeat(goodEvent+",", 3)+goodEvent+`]`)
	require.Contains(t, a.refused(t, http.StatusRequestEntityTooLarge, "batch_too_large").Detail, "publish_burst", "it would never pass")
	a = n.publish(t, `[`+goodEvent+`,`+goodEvent+`]`)
	require.Equal(t, http.StatusOK, a.status, "what was refused has used nothing up: %s", a.body)
	a = n.publish(t, goodEvent)
	a.refused(t, http.StatusTooManyRequests, "publish_rate")
	require.Regexp(t, `^(9\d\d|1000)$`, a.header.Get("Retry-After"), "one event in 1,000 s")
	require.InDelta(t, 3+4+1, n.count(t, "pushstream_publishes_refused_total", ""), 0)
	require.InDelta(t, 4, n.count(t, "pushstream_publishes_refused_total", "publish_rate"), 0)

	require.Equal(t, first, live.next(t).ID)
	_, again := n.live(t, "user=alice", "Last-Event-ID: "+seen[0].ID)
	require.Equal(t, []string{"hello", "a.b", "a.b", "a.b", "live"}, types(again), "what was refused was not stored")
}

// Decoded, each half of a surrogate pair is the same character: two keys would be one, and an event not stored.
func TestHalvesOfCharactersAreNoNames(t *testing.T) {
	n := newNode(t)
	for _, body := range []string{
		`{"target":"user:bob","type":"a.b","data":0,"key":"\ud800"}`, `{"target":"user:\ud800","type":"a.b","data":0}`,
		`{"targets":["all","user:\udc00"],"type":"a.b","data":0}`, `{"target":"user:bob","type":"a.b","data":0,"key":"\ufffd"}`,
	} {
		n.publish(t, body).refused(t, http.StatusUnprocessableEntity, "invalid")
	}
	n.published(t, `{"target":"user:\ud83d\ude00","type":"a.b","data":"\ud800","key":"\ud83d\ude00"}`) // data is passed on as it is
}
