package doctor

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

const (
	// maxLine is the most bytes of a line that are kept to decode it.
	maxLine = 16 << 20
	// maxBlocks is the most blocks and reads of a stream that are remembered: others do not stop talking for us.
	maxBlocks = 10_000
	// probeType is the type of the events that a run publishes.
	probeType = "doctor.probe"
)

// Names of control blocks.
const (
	kindHello = event.ReservedPrefix + "hello"
	kindLive  = event.ReservedPrefix + "live"
	kindGap   = event.ReservedPrefix + "gap"
	kindPing  = event.ReservedPrefix + "ping"
	kindBye   = event.ReservedPrefix + "bye"
)

// probe is the data of an event that a run publishes.
type probe struct {
	Run    string `json:"run"`
	Number int    `json:"n"`
}

// block is what is remembered of one block: of the data of others, nothing.
type block struct {
	at       time.Time
	kind     string
	id       string
	envelope bool
	hello    hello
	reason   string // of a gap or goodbye
	probe    int    // the number of an event of this run, from 1; 0 for all else
}

type hello struct {
	Node        string `json:"node"`
	HeartbeatMS int64  `json:"heartbeat_ms"`
	Resumed     string `json:"resumed"`
}

// record is what was seen of one stream.
type record struct {
	reply reply // zero until there is one

	asked    time.Time
	answered time.Time // zero without an answer
	blocks   []block
	reads    []time.Time // when bytes came
	retry    bool        // it has said when to come back
	ended    bool        // by the other side
	until    time.Time   // when it ended, or was looked at last
	err      error       // how it ended; nil for an orderly end
}

// find returns the first block of a kind.
func (r record) find(kind string) (b block, found bool) {
	for _, b = range r.blocks {
		if b.kind == kind {
			return b, true
		}
	}
	return block{}, false
}

// has reports whether a block of a kind has come.
func (r record) has(kind string) bool {
	_, found := r.find(kind)
	return found
}

// over reports whether nothing more can come.
func (r record) over() bool { return r.ended || r.reply.err != nil }

// isStream reports whether the answer is an event stream.
func (r record) isStream() bool {
	return r.reply.status == http.StatusOK && r.reply.mediaType() == eventStream
}

// silences returns the longest time without a block from the first block on, and the one at the end.
func (r record) silences() (longest, last time.Duration) {
	for i, b := range r.blocks {
		next := r.until
		if i+1 < len(r.blocks) {
			next = r.blocks[i+1].at
		}
		last = next.Sub(b.at)
		longest = max(longest, last)
	}
	return longest, last
}

// stream is one that is being read, on a connection of its own.
type stream struct {
	cancel context.CancelFunc
	done   chan struct{}
	nonce  string

	mu      sync.Mutex
	record  record
	changed chan struct{} // closed, and replaced, with every change
}

// open begins to read GET /events. The stream has to be closed.
func (p *prober) open(ctx context.Context, query url.Values, header http.Header) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{cancel: cancel, done: make(chan struct{}), nonce: p.nonce, changed: make(chan struct{})}
	s.record.asked = time.Now()
	go func() { // joined by close
		defer close(s.done)
		client, closeIdle := p.newClient()
		defer closeIdle()
		if err := s.read(ctx, p, client, query, header); err != nil {
			s.fail(ctx, err)
		}
	}()
	return s
}

// close hangs up and returns all that was seen.
func (s *stream) close() record {
	r := s.look()
	s.cancel()
	<-s.done
	return r
}

// look returns what has been seen so far.
func (s *stream) look() record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	if !r.ended {
		r.until = time.Now()
	}
	return r
}

// await returns when enough has been seen, or nothing more can come, or the limit is over.
func (s *stream) await(ctx context.Context, limit time.Duration, enough func(record) bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s.mu.Lock()
		r, changed := s.record, s.changed
		s.mu.Unlock()
		if r.over() || enough(r) {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (s *stream) change(f func(*record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.record)
	close(s.changed)
	s.changed = make(chan struct{})
}

// fail notes how the stream ended, unless it was us.
func (s *stream) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.change(func(r *record) {
		if r.answered.IsZero() {
			r.reply.err = err
			return
		}
		r.ended, r.until = true, time.Now()
		if !errors.Is(err, io.EOF) {
			r.err = err
		}
	})
}

// read makes the request and reads to the end, for which it returns io.EOF.
func (s *stream) read(ctx context.Context, p *prober, client *http.Client, query url.Values, header http.Header) error {
	request, err := p.request(ctx, http.MethodGet, query, header)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", eventStream)
	if request.Header.Get("Accept-Encoding") == "" {
		request.Header.Set("Accept-Encoding", "identity")
	}
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask for a stream: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read, or given up
	answer := replyOf(response, time.Since(begun))
	s.change(func(r *record) { r.reply, r.answered = answer, time.Now() })
	if !s.look().isStream() {
		body, readErr := io.ReadAll(io.LimitReader(response.Body, maxProblem))
		s.change(func(r *record) { r.reply.code = codeOf(body) })
		if readErr != nil {
			return fmt.Errorf("read answer: %w", readErr)
		}
		return io.EOF
	}
	body := &clock{source: response.Body, stream: s}
	decoded, err := decode(response.Header.Get("Content-Encoding"), body)
	if err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	if decoded == nil { // in a coding that we cannot read: when bytes come says something all the same
		if _, err = io.Copy(io.Discard, body); err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		return io.EOF
	}
	decoder := sse.NewDecoder(maxLine)
	reader := sse.NewReader(decoded, decoder)
	for {
		m, err := reader.Next()
		if err != nil {
			_, retry := decoder.Retry()
			s.change(func(r *record) { r.retry = retry })
			return err //nolint:wrapcheck // io.EOF is for fail to know
		}
		s.take(m)
	}
}

// take remembers a message.
func (s *stream) take(m sse.Message) {
	b := block{at: time.Now(), kind: m.Type, id: m.ID}
	data := []byte(m.Data)
	var envelope struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if m.Type == "message" && json.Unmarshal(data, &envelope) == nil && envelope.Type != "" {
		b.kind, b.envelope, data = envelope.Type, true, envelope.Data
	}
	switch b.kind {
	case kindHello:
		if json.Unmarshal(data, &b.hello) != nil {
			b.hello = hello{}
		}
	case kindGap, kindBye:
		var told struct {
			Reason string `json:"reason"`
		}
		if json.Unmarshal(data, &told) == nil {
			b.reason = foreign(told.Reason)
		}
	case probeType:
		var ours probe
		if json.Unmarshal(data, &ours) == nil && ours.Run == s.nonce {
			b.probe = ours.Number
		}
	}
	s.change(func(r *record) {
		if len(r.blocks) < maxBlocks {
			r.blocks = append(r.blocks, b)
		}
	})
}

// clock notes when bytes come.
type clock struct {
	source io.Reader
	stream *stream
}

// Read reads from the source.
func (c *clock) Read(b []byte) (int, error) {
	n, err := c.source.Read(b)
	if n > 0 {
		c.stream.change(func(r *record) {
			if len(r.reads) < maxBlocks {
				r.reads = append(r.reads, time.Now())
			}
		})
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay as it is
}

// decode undoes a content coding; nil for one that it does not know.
func decode(coding string, body io.Reader) (io.Reader, error) {
	switch strings.ToLower(coding) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body) //nolint:wrapcheck // the caller wraps it
	case "deflate":
		return zlib.NewReader(body) //nolint:wrapcheck // the caller wraps it
	default:
		return nil, nil
	}
}
