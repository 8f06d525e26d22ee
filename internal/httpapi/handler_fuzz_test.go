package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// FuzzPublishHandler posts anything as any of the media types: the answer is a result for each event or one problem of the
// caller's, and never an echo of more than a line.
func FuzzPublishHandler(f *testing.F) {
	f.Add([]byte(goodEvent), false, "")
	handler := newAPI(testConfig(), fakeCore{}).Handler()
	f.Fuzz(func(t *testing.T, body []byte, lines bool, key string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/events", bytes.NewReader(body))
		r.Header.Set("Content-Type", map[bool]string{false: "application/json", true: "application/x-ndjson"}[lines])
		if key != "" {
			r.Header["Idempotency-Key"] = []string{key}
		}
		w := recorder{httptest.NewRecorder()}
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			require.Equal(t, 4, w.Code/100, w.Body.String())
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Less(t, w.Body.Len(), 1500)
		}
		for line := range bytes.SplitSeq(bytes.TrimSuffix(w.Body.Bytes(), []byte("\n")), []byte("\n")) {
			require.True(t, json.Valid(line) || lines && len(line) == 0, "%q", line)
		}
	})
}

// FuzzStreamRequest asks for a stream with any query and cursor: it is refused as a fault of the caller's, or passed on.
func FuzzStreamRequest(f *testing.F) {
	f.Add("user=alice&topic=news", "a1.1770091506078-3")
	handler := newAPI(testConfig(), fakeCore{err: backplane.ErrUnavailable}).Handler()
	f.Fuzz(func(t *testing.T, query, cursor string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/events", http.NoBody)
		r.URL = &url.URL{Path: "/events", RawQuery: query}
		r.Header["Last-Event-Id"] = []string{cursor}
		w := recorder{httptest.NewRecorder()}
		handler.ServeHTTP(w, r)
		var p problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
		require.Contains(t, []string{"query", "invalid", "too_many_topics", "ticket_invalid", "unavailable"}, p.Code)
		require.Less(t, w.Body.Len(), 1500)
	})
}
