package integration_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/integration/history"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

const (
	// heartbeat is the one of nodes that harm is done to.
	heartbeat = time.Second
	// silence is how long a subscriber waits for a byte. A browser has to do that too: nobody else notices a node that has
	// stopped without a word.
	silence = 3 * heartbeat
)

// subscriber reads for as long as it is not stopped. It comes back with its last id, to the next of its doors, when its
// stream ends or is silent: as our clients do, only that those wait longer.
type subscriber struct {
	record  *history.Reader
	query   string
	targets map[string]string // so that a name is held once
	doors   []string
	random  *rand.Rand

	// stalled has it read nothing, and away has it hang up and stay away.
	stalled, away atomic.Bool
	// perSecond is how many bytes it reads at most; 0 for all there are.
	perSecond atomic.Int64

	stopped chan struct{}
	ended   chan struct{}

	mu   sync.Mutex
	conn net.Conn

	// Only the reading goroutine has these.
	lastID string
	greets bool          // the connection has said hello
	wait   time.Duration // until it comes back
}

func newSubscriber(record *history.Reader, targets, doors []string, number int) *subscriber {
	s := &subscriber{
		record: record, targets: make(map[string]string), doors: doors, random: rand.New(rand.NewPCG(uint64(number), 0)),
		stopped: make(chan struct{}), ended: make(chan struct{}),
	}
	query := url.Values{"envelope": {"1"}, "user": {fmt.Sprint("subscriber-", number)}}
	for _, target := range targets {
		s.targets[target] = target
		query.Add("topic", strings.TrimPrefix(target, "topic:"))
	}
	s.query = query.Encode()
	go func() { // joined by stop
		defer close(s.ended)
		for door := number; ; door++ {
			s.wait = time.Duration(50+s.random.IntN(200)) * time.Millisecond
			_ = s.read(doors[door%len(doors)]) // why it ended is nothing to a reader: it comes back
			s.record.Disconnect()
			timer := time.NewTimer(s.wait)
			select {
			case <-s.stopped:
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}()
	return s
}

// stop hangs up for good.
func (s *subscriber) stop() {
	select {
	case <-s.stopped:
	default:
		close(s.stopped)
	}
	s.hangUp()
	<-s.ended
}

func (s *subscriber) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

var errAway = errors.New("away")

// read reads one stream to its end.
func (s *subscriber) read(door string) error {
	if s.away.Load() {
		return errAway
	}
	address := strings.TrimPrefix(door, "http://")
	conn, err := net.DialTimeout("tcp", address, silence)
	if err != nil {
		return err
	}
	defer conn.Close()
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	select {
	case <-s.stopped:
		return errAway
	default:
	}
	head := "GET /events?" + s.query + " HTTP/1.1\r\nHost: " + address + "\r\nAccept: text/event-stream\r\n"
	if s.lastID != "" {
		head += "Last-Event-ID: " + s.lastID + "\r\n"
	}
	if err = errors.Join(conn.SetDeadline(time.Now().Add(silence)), writeAll(conn, head+"\r\n")); err != nil {
		return err
	}
	body, err := readHead(conn)
	if err != nil {
		return err
	}
	s.greets = false
	decoder := sse.NewDecoder(1 << 20)
	decoder.Reset(s.lastID)
	return s.blocks(conn, bufio.NewReaderSize(body, 64<<10), decoder)
}

func writeAll(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func (s *subscriber) blocks(conn net.Conn, body io.Reader, decoder *sse.Decoder) error {
	buf := make([]byte, 64<<10)
	for {
		if s.away.Load() {
			return errAway
		}
		room := len(buf)
		if s.stalled.Load() {
			room = 0
		} else if most := s.perSecond.Load(); most > 0 {
			room = min(room, int(most/20))
		}
		if room < len(buf) {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-s.stopped:
				return errAway
			}
			if room == 0 {
				continue
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		n, err := body.Read(buf[:room])
		if feedErr := decoder.Feed(buf[:n], s.take); feedErr != nil {
			return feedErr
		}
		s.lastID = decoder.LastEventID()
		if err != nil {
			return err
		}
	}
}

// take records a block.
func (s *subscriber) take(m sse.Message) error {
	var e struct {
		ID, Type, Target string
		Data             struct {
			N         *int
			Targets   []string
			Reason    string
			Reconnect *int64 `json:"reconnect_ms"`
		}
	}
	if err := json.Unmarshal([]byte(m.Data), &e); err != nil {
		return fmt.Errorf("block %q: %w", m.Data, err)
	}
	b := history.Block{Kind: history.Other, Number: -1}
	b.Cursor, _ = event.ParsePosition(m.ID)
	switch e.Type {
	case hello:
		b.Kind = history.Hello
		s.record.Connect()
		s.greets = true
	case gap:
		b.Kind, b.Targets, b.Reason = history.Gap, e.Data.Targets, event.GapReason(e.Data.Reason)
	case live, ping:
	case "pushstream.bye":
		if e.Data.Reconnect == nil {
			return fmt.Errorf("sent away for good: %s", m.Data)
		}
		s.wait = time.Duration(*e.Data.Reconnect) * time.Millisecond
	default:
		b.Kind, b.Target, b.Position = history.Event, s.targets[e.Target], b.Cursor
		if e.ID != m.ID {
			b.Position, _ = event.ParsePosition(e.ID)
		}
		if e.Data.N != nil {
			b.Number = *e.Data.N
		}
	}
	if s.greets {
		s.record.Give(b)
	}
	return nil
}
