package bench_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/bench"
	"github.com/pushstream/pushstream/pkg/client"
)

// fake is a server that sends events on as harm says: from the number of an event, and its block, what one of the readers gets.
type fake struct {
	harm   func(number int, block string) string
	secure bool // speaks TLS

	mu      sync.Mutex
	readers map[string][]chan string // by target
	last    int
	version int              // of HTTP, that the last reader spoke
	refuse  http.HandlerFunc // answers publishes instead; nil stores them
}

func (f *fake) start(t *testing.T) bench.Config {
	t.Helper()
	f.readers = make(map[string][]chan string)
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if f.secure {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	cfg := short(s.URL)
	if f.secure {
		cfg.RootCAs = x509.NewCertPool()
		cfg.RootCAs.AddCert(s.Certificate())
	}
	cfg.Readers, cfg.Targets, cfg.Warmup, cfg.Settle = 4, 2, 0, 100*time.Millisecond
	cfg.Duration = 200 * time.Millisecond
	return cfg
}

// ServeHTTP is GET and POST /events.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.publish(w, r)
		return
	}
	blocks := make(chan string, 10_000)
	target := "topic:" + r.URL.Query().Get("topic")
	f.mu.Lock()
	f.readers[target] = append(f.readers[target], blocks)
	f.version = r.ProtoMajor
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	envelope := r.URL.Query().Has("envelope")
	for _, name := range []string{"hello", "live"} {
		if envelope {
			_, _ = fmt.Fprintf(w, "data: {\"type\":\"pushstream.%s\",\"data\":{\"heartbeat_ms\":15000}}\n\n", name)
		} else {
			_, _ = fmt.Fprintf(w, "id: 0\nevent: pushstream.%s\ndata: {\"heartbeat_ms\":15000}\n\n", name)
		}
	}
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case b := <-blocks:
			_, _ = io.WriteString(w, b)
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fake) publish(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Target   string
		Type     string
		Data     json.RawMessage
		LiveOnly bool `json:"live_only"`
	}
	_ = json.NewDecoder(r.Body).Decode(&e)
	if e.LiveOnly {
		_, _ = io.WriteString(w, `{"live":true}`)
		return
	}
	if f.refuse != nil {
		f.refuse(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	block := fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", f.last, e.Type, e.Data)
	for i, reader := range f.readers[e.Target] {
		if i == 0 && strings.HasSuffix(e.Target, ".0") {
			var data struct{ Q int }
			_ = json.Unmarshal(e.Data, &data)
			reader <- f.harm(data.Q, block)
			continue
		}
		reader <- block
	}
	_, _ = fmt.Fprintf(w, `{"id":"%d"}`, f.last)
}

func TestHarmIsFound(t *testing.T) {
	t.Parallel()
	const gap = "id: 0\nevent: pushstream.gap\ndata: {\"targets\":[%s],\"reason\":\"trimmed\"}\n\n"
	kept := "" // of the test that swaps
	for name, c := range map[string]struct {
		harm func(number int, block string) string
		want string // lost, doubled, out of order, skipped in gaps
		err  string
	}{
		"nothing": {func(_ int, block string) string { return block }, "0 0 0 0", ""},
		"drops and doubles": {func(number int, block string) string {
			switch number {
			case 3:
				return ""
			case 5:
				return strings.Repeat(block, 2)
			case 6:
				return strings.Repeat(block, 3)
			}
			return block
		}, "1 3 0 0", "1 deliveries of acknowledged events are lost"},
		"drops all": {func(int, string) string { return "" }, "", "are lost"},
		"swaps": {func(number int, block string) string {
			switch number {
			case 3:
				kept = block
				return ""
			case 4:
				return block + kept
			}
			return block
		}, "0 0 1 0", "1 deliveries were out of order"},
		"a gap of others": {func(number int, block string) string {
			if number == 3 {
				return fmt.Sprintf(gap, `"all"`)
			}
			return block
		}, "1 0 0 0", "lost"},
		"ends for good": {func(number int, block string) string {
			if number == 3 {
				return "event: pushstream.bye\ndata: {\"reason\":\"revoked\"}\n\n"
			}
			return block
		}, "0 0 0 0", "1 readers were told not to come back: the server ended the stream for good: revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := (&fake{harm: c.harm}).start(t)
			r, err := bench.Run(t.Context(), cfg)
			require.NoError(t, err)
			if c.want != "" {
				require.Equal(t, c.want, fmt.Sprint(r.Lost, r.Doubled, r.OutOfOrder, r.Skipped))
			}
			if c.err == "" {
				require.NoError(t, r.Err())
				return
			}
			require.ErrorContains(t, r.Err(), c.err)
		})
	}
}

// What a gap tells of was not lost silently.
func TestAGapIsNoLoss(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.harm = func(number int, block string) string {
		if number != 3 {
			return block
		}
		for target := range f.readers {
			if strings.HasSuffix(target, ".0") {
				return fmt.Sprintf("id: 0\nevent: pushstream.gap\ndata: {\"targets\":[%q],\"reason\":\"trimmed\"}\n\n", target)
			}
		}
		return ""
	}
	r, err := bench.Run(t.Context(), f.start(t))
	require.NoError(t, err)
	require.NoError(t, r.Err())
	require.Equal(t, 1, r.Gaps)
	require.Equal(t, uint64(1), r.Skipped)
	require.Zero(t, r.Lost)
}

// With TLS the stream comes in chunks or in frames, and each reader has a goroutine.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	for version, http2 := range map[int]bool{1: false, 2: true} {
		f := &fake{secure: true, harm: func(_ int, block string) string { return block }}
		cfg := f.start(t)
		cfg.HTTP2 = http2
		r, err := bench.Run(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, r.Err())
		require.Equal(t, 4, r.Connected)
		require.Equal(t, r.Published*2, r.Delivered)
		require.Equal(t, version, f.version)

		cfg.RootCAs = nil
		_, err = bench.Run(t.Context(), cfg)
		require.ErrorContains(t, err, "certificate")
	}
}

func TestPublishesThatAreRefused(t *testing.T) {
	t.Parallel()
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	cfg := (&fake{refuse: refuse(http.StatusForbidden)}).start(t)
	_, err := bench.Run(t.Context(), cfg)
	require.ErrorIs(t, err, client.ErrForbidden)

	cfg = (&fake{refuse: refuse(http.StatusServiceUnavailable)}).start(t)
	_, err = bench.Run(t.Context(), cfg)
	require.ErrorIs(t, err, bench.ErrNothing)
	require.ErrorContains(t, err, "503")
}

func TestNobodyThere(t *testing.T) {
	_, err := bench.Run(t.Context(), short("http://127.0.0.1:1"))
	require.ErrorIs(t, err, client.ErrUnavailable)

	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, err = bench.Run(t.Context(), short(s.URL))
	require.ErrorContains(t, err, "404")
}

func TestFaultsOfAConfiguration(t *testing.T) {
	require.NoError(t, short("http://localhost").Validate())
	cfg := bench.Config{Rate: -1, Topic: "a b", Warmup: -1}
	for _, name := range []string{"url:", "readers:", "connecting:", "targets:", "publishers:", "size:", "batch:", "warmup:", "duration:", "rate:", "topic:"} {
		require.ErrorContains(t, cfg.Validate(), name)
	}
	cfg = short("http://localhost")
	cfg.Readers = 10_000_000
	_, err := bench.Run(t.Context(), cfg)
	require.ErrorIs(t, err, bench.ErrFiles)
	require.ErrorContains(t, err, "--readers")
}
