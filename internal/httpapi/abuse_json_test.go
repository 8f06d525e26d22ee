package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is a response without a connection.
type recorder struct {
	*httptest.ResponseRecorder
}

func (recorder) SetReadDeadline(time.Time) error { return nil }

// bomb is a body that is small to send and could be large to take.
type bomb struct {
	body   []byte
	lines  bool // NDJSON
	status int
	code   string // empty for an answer that is no problem
}

const bombSize = 4 << 20

// fill repeats a part until a body has the size of a bomb.
func fill(begin, part, end string) []byte {
	return []byte(begin + strings.Repeat(part, (bombSize-len(begin)-len(end))/len(part)) + end)
}

func bombs() map[string]bomb {
	const event = `{"target":"all","type":"a.b","data":1}`
	return map[string]bomb{
		"depth":                      {body: fill("", "[", ""), status: 400, code: "invalid_json"},
		"depth that is closed":       {body: append(fill(`{"target":"all","type":"a.b","data":`, "[", "")[:1<<20], append(bytes.Repeat([]byte("]"), 1<<20-36), '}')...), status: 400, code: "invalid_json"},
		"depth of objects":           {body: fill("", `{"a":`, ""), status: 400, code: "invalid_json"},
		"array of numbers":           {body: fill("[1", ",1", "]"), status: 413, code: "batch_too_large"},
		"array of empty arrays":      {body: fill("[[]", ",[]", "]"), status: 413, code: "batch_too_large"},
		"array of events":            {body: fill("["+event, ","+event, "]"), status: 413, code: "batch_too_large"},
		"one element of many values": {body: fill("[[1", ",1", "]]"), status: 200},
		"empty lines":                {body: fill("", "\n", ""), lines: true, status: 200},
		"lines of numbers":           {body: fill("", "1\n", ""), lines: true, status: 413, code: "batch_too_large"},
		"white space":                {body: fill("", " ", ""), status: 400, code: "invalid_json"},
		"targets":                    {body: fill(`{"targets":[""`, `,""`, `],"type":"a.b","data":1}`), status: 422, code: "invalid"},
		"targets that are no texts":  {body: fill(`{"targets":[1`, `,1`, `],"type":"a.b","data":1}`), status: 422, code: "invalid"},
		"keys that do not exist":     {body: fill(`{"a":1`, `,"a":1`, "}"), status: 422, code: "invalid"},
		"the same key":               {body: fill(`{"target":"all"`, `,"target":"all"`, `,"type":"a.b","data":1}`), status: 422, code: "invalid"},
		"the same list":              {body: fill(`{"targets":["all"]`, `,"targets":["all"]`, `,"type":"a.b","data":1}`), status: 422, code: "invalid"},
		"keys in an array":           {body: fill(`[{"a":1`, `,"a":1`, "}]"), status: 200},
		"keys of data":               {body: fill(`{"target":"all","type":"a.b","data":{"a":1`, `,"a":1`, `}}`), status: 200}, // the size of an event is the broker's matter
		"escapes in a type":          {body: fill(`{"target":"all","data":1,"type":"`, `\u0061`, `"}`), status: 422, code: "invalid"},
		"escapes in a name":          {body: fill(`{"`, `\u0061`, `":1}`), status: 422, code: "invalid"},
		"escaped quotes":             {body: fill(`["`, `\"`, `"]`), status: 200},
		"a long number":              {body: fill(`{"target":"all","type":"a.b","data":`, `9`, `}`), status: 200},
		"line ends in data":          {body: fill(`{"target":"all","type":"a.b","data":[1`, ",\r\n1", `]}`), status: 200},
	}
}

// TestBombsCostNoMoreThanTheirSize: time and memory are bounded by what was sent, whatever it is.
func TestBombsCostNoMoreThanTheirSize(t *testing.T) {
	cfg := testConfig()
	cfg.BodyBytes, cfg.BodiesBytes = 2*bombSize, 2*bombSize
	handler := newAPI(cfg, fakeCore{}).Handler()
	for name, b := range bombs() {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/events", bytes.NewReader(b.body))
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("Content-Type", "application/json")
			if b.lines {
				r.Header.Set("Content-Type", "application/x-ndjson")
			}
			w := recorder{httptest.NewRecorder()}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			handler.ServeHTTP(w, r)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			allocated := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(b.body))
			t.Logf("%d KiB: %.1f times as much was allocated, %v", len(b.body)>>10, allocated, took.Round(time.Millisecond))
			require.Equal(t, b.status, w.Code, w.Body.String()[:min(w.Body.Len(), 500)])
			if b.code != "" {
				var p problem
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
				require.Equal(t, b.code, p.Code)
				require.Less(t, w.Body.Len(), 1000, "an answer to a caller is no echo")
			}
			require.Less(t, allocated, 20.0, "garbage included")
			require.Less(t, took, 20*time.Second)
		})
	}
}
