package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/sse"
)

// connection is one connection of a stream, from its first byte on.
type connection struct {
	*follower

	body  *watched
	stop  <-chan struct{} // closed when the Stream is to end
	state State           // what the hello said
	end   ending
}

// watched reads a body, and lets the watch bark where nothing comes for too long. While nobody reads, because the consumer
// is slow, it sleeps.
type watched struct {
	body  io.Reader
	watch *time.Timer
	limit time.Duration
}

// Read reads from the body.
func (w *watched) Read(b []byte) (int, error) {
	w.watch.Reset(w.limit)
	defer w.watch.Stop()
	return w.body.Read(b)
}

// connect makes one connection and reads it to its end.
func (f *follower) connect(ctx context.Context, base *url.URL) ending {
	stop := ctx.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := f.client.cfg.ConnectTimeout
	watch := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer watch.Stop()
	response, err := f.open(ctx, base)
	if err != nil {
		return ending{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // only read from
	watch.Stop()
	c := &connection{follower: f, body: &watched{response.Body, watch, limit}, stop: stop, end: ending{began: true}}
	c.read(ctx)
	return c.end
}

// open asks for a stream, and returns one.
func (f *follower) open(ctx context.Context, base *url.URL) (*http.Response, error) {
	u := base.JoinPath("events")
	query := f.query()
	if f.sub.Ticket {
		ticket, err := f.client.ticket(ctx, base)
		if err != nil {
			return nil, err
		}
		query.Set("ticket", ticket)
	}
	u.RawQuery = query.Encode()
	r, err := f.client.request(ctx, http.MethodGet, u, http.NoBody)
	if err != nil {
		return nil, err
	}
	if f.sub.Ticket {
		r.Header.Del("Authorization")
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Cache-Control", "no-store")
	if f.cursor != "" && inHeader(f.cursor) {
		r.Header.Set("Last-Event-ID", f.cursor)
	}
	response, err := f.client.do(r)
	if err != nil {
		return nil, err
	}
	if err = streams(response); err != nil {
		return nil, errors.Join(err, response.Body.Close())
	}
	return response, nil
}

// query returns what the stream is to be of.
func (f *follower) query() url.Values {
	query := url.Values{}
	for _, topic := range f.sub.Topics {
		query.Add("topic", topic)
	}
	if f.sub.Form == FormEnvelope {
		query.Set("envelope", "1")
	}
	if f.sub.User != "" {
		query.Set("user", f.sub.User)
	}
	if f.sub.Session != "" {
		query.Set("session", f.sub.Session)
	}
	if f.cursor != "" && !inHeader(f.cursor) {
		query.Set("lastEventId", f.cursor)
	}
	return query
}

// inHeader reports whether an id arrives in a header as it is: net/http refuses control characters, and trims spaces.
func inHeader(id string) bool {
	return strings.TrimSpace(id) == id && !strings.ContainsFunc(id, func(x rune) bool { return x < ' ' || x == 0x7f })
}

// ticket gets a connect ticket.
func (c *Client) ticket(ctx context.Context, base *url.URL) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.AttemptTimeout, errTimeout)
	defer cancel()
	r, err := c.request(ctx, http.MethodPost, base.JoinPath("tickets"), strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	if response.StatusCode != http.StatusCreated {
		return "", refusal(response)
	}
	body, err := readAnswer(ctx, response)
	if err != nil {
		return "", err
	}
	var got struct{ Ticket string }
	if err = json.Unmarshal(body, &got); err != nil || got.Ticket == "" {
		return "", fmt.Errorf("%w: it has no ticket", ErrProtocol)
	}
	return got.Ticket, nil
}

// streams checks that an answer is an event stream.
func streams(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return refusal(r)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "text/event-stream" {
		return fmt.Errorf("%w: its type is %.100q", ErrProtocol, r.Header.Get("Content-Type"))
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fmt.Errorf("%w: it is compressed, which would hold events back", ErrProtocol)
	}
	return nil
}

// read reads the stream to its end.
func (c *connection) read(ctx context.Context) {
	c.decoder.Reset(c.cursor)
	messages := sse.NewReader(c.body, c.decoder)
	for {
		m, err := messages.Next()
		if err != nil {
			c.pass(c.decoder.LastEventID())
			c.close(ctx, err)
			return
		}
		if c.end.err = c.take(m); c.end.err != nil {
			break
		}
	}
	if c.end.told && c.end.wait > 0 {
		c.linger()
	}
}

// linger stays for as long as the server holds the connection after its goodbye, and no longer than it asked to wait: a
// balancer that looks for the fewest connections would send all who come to a node that ends them at once.
func (c *connection) linger() {
	began := time.Now()
	c.body.watch.Reset(c.end.wait)
	_, _ = io.Copy(io.Discard, c.body.body) //nolint:errcheck // however it ends, the time runs
	c.end.wait = max(0, c.end.wait-time.Since(began))
}

// close notes how the stream ended without a goodbye.
func (c *connection) close(ctx context.Context, err error) {
	switch {
	case errors.Is(err, sse.ErrTooLarge):
		c.end.err = fmt.Errorf("%w (Config.BlockBytes): %w", ErrTooLarge, err)
	case !errors.Is(err, io.EOF):
		c.end.err = unreachable(reason(ctx, err))
	}
}

// take takes a message. It returns an error where the connection is to end.
func (c *connection) take(m sse.Message) error {
	ev, err := c.decode(m)
	if err != nil {
		return err
	}
	if name, control := strings.CutPrefix(ev.Type, reserved); control {
		return c.control(name, ev, m.ID)
	}
	c.end.progress = true
	// A block of the plain form has no id of the event's own: what a node reads again comes under the id of another.
	recognise := c.sub.Form == FormEnvelope && !c.sub.KeepDuplicates && ev.ID != ""
	if recognise && c.recent.has(ev.ID) {
		c.pass(m.ID)
		return nil
	}
	err = c.give(ev, m.ID)
	if err == nil && recognise {
		c.recent.add(ev.ID)
	}
	return err
}

// give puts an event, or a gap, into the queue.
func (c *connection) give(ev Event, cursor string) error {
	if !c.queue.put(c.stop, item{ev, cursor}) {
		return context.Canceled
	}
	c.cursor = cursor
	return nil
}

// decode returns the event, or control block, that a message is.
func (c *connection) decode(m sse.Message) (Event, error) {
	if c.sub.Form == FormPlain {
		ev := Event{Type: m.Type, Data: json.RawMessage(m.Data)}
		if m.HasID {
			ev.ID = m.ID
		}
		return ev, nil
	}
	var e struct {
		ID     string          `json:"id"`
		Type   string          `json:"type"`
		Target string          `json:"target"`
		Data   json.RawMessage `json:"data"`
		Meta   json.RawMessage `json:"meta"`
		Time   time.Time       `json:"time"`
	}
	if err := json.Unmarshal([]byte(m.Data), &e); err != nil {
		return Event{}, fmt.Errorf("%w: an event is no envelope: %w", ErrProtocol, err)
	}
	if e.Type == "" {
		return Event{}, fmt.Errorf("%w: an event has no type", ErrProtocol)
	}
	if bytes.Equal(e.Meta, []byte("null")) {
		e.Meta = nil
	}
	return Event{ID: e.ID, Type: e.Type, Target: e.Target, Data: e.Data, Meta: e.Meta, Time: e.Time}, nil
}
