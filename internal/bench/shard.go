package bench

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// connectTimeout is how long a stream may take to begin.
	connectTimeout = 30 * time.Second
	// retryTime is how soon a reader comes back that was never told.
	retryTime = 2 * time.Second
	// maxPause is the longest that a reader waits by itself, and maxWait what a server may ask for.
	maxPause = 30 * time.Second
	maxWait  = 10 * time.Minute
)

// errFinal ends the reading of a stream that is not to come back.
var errFinal = errors.New("the server ended the stream for good")

// shard is a part of the readers, and what they have seen. An engine moves its bytes: see engine_linux.go and goroutines.go.
type shard struct {
	clock     func() time.Duration // since the run began
	topics    []string
	endpoints []endpoint
	token     string
	roots     *x509.CertPool // nil are the system's
	bound     int            // how many connections may be on their way

	mu      sync.Mutex
	readers []reader
	settled int // how many, from the first on, have all that they should
	phases  [phases]int
	seen    seen
	onBlock func() error // for current, at time now
	current *reader
	now     time.Duration
}

// seen is what readers have seen.
type seen struct {
	connects, deliveries histogram

	live       int // readers that have been live
	reconnects int // streams that ended
	failures   int // connections that did not become a stream
	gaps       int
	delivered  uint64 // events, the first time that each came to a reader
	doubled    uint64
	late       uint64
	whys       map[string]int // why connections and streams ended

	lastConnect, lastDelivery time.Duration
}

func (s *seen) merge(other *seen) {
	s.connects.merge(&other.connects)
	s.deliveries.merge(&other.deliveries)
	s.live += other.live
	s.reconnects += other.reconnects
	s.failures += other.failures
	s.gaps += other.gaps
	s.delivered += other.delivered
	s.doubled += other.doubled
	s.late += other.late
	for why, n := range other.whys {
		s.whys[why] += n
	}
	s.lastConnect = max(s.lastConnect, other.lastConnect)
	s.lastDelivery = max(s.lastDelivery, other.lastDelivery)
}

// move puts a reader into another phase. Here and below the caller holds the mutex.
func (s *shard) move(r *reader, to phase) {
	s.phases[r.phase]--
	s.phases[to]++
	r.phase = to
}

// underWay returns how many connections are not streams yet.
func (s *shard) underWay() int { return s.phases[phaseConnecting] + s.phases[phaseAsking] }

// begin notes that a reader connects.
func (s *shard) begin(r *reader) {
	r.began = s.clock()
	r.heard, r.silence = r.began, connectTimeout
	r.wire.reset()
	s.move(r, phaseConnecting)
}

// feed takes what a reader has read. After an error the connection is of no use. One that was abandoned, and is greeted
// after all, must not count: it has missed what was published meanwhile.
func (s *shard) feed(r *reader, b []byte) error {
	if r.phase == phaseEnded {
		return errFinal
	}
	s.current, s.now = r, s.clock()
	r.heard = s.now
	return r.wire.feed(b, s.onBlock)
}

// block takes a block of the reader that is being fed.
func (s *shard) block() error {
	r := s.current
	switch r.wire.kind {
	case kindEvent:
		s.event(r)
	case kindHello:
		s.hello(r)
	case kindLive:
		if !r.live {
			r.live = true
			s.seen.live++
		}
	case kindGap:
		s.gap(r)
	case kindBye:
		return s.bye(r)
	case kindOther:
	}
	return nil
}

func (s *shard) event(r *reader) {
	switch r.tally.take(r.wire.number) {
	case doubled:
		s.seen.doubled++
		return
	case late:
		s.seen.late++
	case inOrder:
	}
	s.seen.delivered++
	if r.wire.stamp > 0 {
		s.seen.deliveries.add(s.now - r.wire.stamp)
		s.seen.lastDelivery = s.now
	}
}

func (s *shard) hello(r *reader) {
	var hello struct {
		HeartbeatMS int64 `json:"heartbeat_ms"`
	}
	// What cannot be read has no heartbeat: then a silence is nothing to go by, and half an hour is as good as any.
	r.silence = 30 * time.Minute
	if err := json.Unmarshal([]byte(r.wire.note), &hello); err == nil && hello.HeartbeatMS > 0 {
		r.silence = time.Duration(hello.HeartbeatMS) * time.Millisecond * 5 / 2 // two pings may be late, as in pkg/client
	}
	if !r.live && r.phase == phaseAsking {
		s.seen.connects.add(s.now - r.began)
		s.seen.lastConnect = s.now
	}
	r.failures = 0
	s.move(r, phaseOpen)
}

// gap notes a gap in what the reader reads of this run. Others, like one of all, are not about events that are counted.
func (s *shard) gap(r *reader) {
	var gap struct{ Targets []string }
	if err := json.Unmarshal([]byte(r.wire.note), &gap); err != nil || slices.Contains(gap.Targets, "topic:"+s.topics[r.target]) {
		s.seen.gaps++
		r.tally.told()
	}
}

// bye has the reader come back when it was told to. Until then, or until the server ends it, the connection stays: a balancer
// that looks for the fewest connections would send all who come to a node that turns them away.
func (s *shard) bye(r *reader) error {
	var bye struct {
		Reason      string
		ReconnectMS *int64 `json:"reconnect_ms"`
	}
	if err := json.Unmarshal([]byte(r.wire.note), &bye); err != nil {
		return fmt.Errorf("a goodbye that cannot be read: %w", err)
	}
	if bye.ReconnectMS == nil {
		return fmt.Errorf("%w: %s", errFinal, bye.Reason)
	}
	s.leave(r, "bye: "+bye.Reason)
	r.wake = s.now + time.Duration(min(max(*bye.ReconnectMS, 0), maxWait.Milliseconds()))*time.Millisecond
	s.move(r, phaseParting)
	return nil
}

// leave counts an end.
func (s *shard) leave(r *reader, why string) {
	if r.phase == phaseOpen {
		s.seen.reconnects++
	} else {
		s.seen.failures++
	}
	s.seen.whys[why]++
}

// over notes that a reader's connection is over, and why, and says when it comes back.
func (s *shard) over(r *reader, why error) {
	r.turn++
	switch {
	case r.phase == phaseEnded:
		return
	case r.phase == phaseParting && !errors.Is(why, errFinal):
		s.move(r, phaseWaiting)
		return
	}
	s.leave(r, explain(why))
	if final(why) {
		s.move(r, phaseEnded)
		return
	}
	r.wake = s.clock() + pause(r, why)
	s.move(r, phaseWaiting)
}

// final reports whether a reader is not to come back.
func final(why error) bool {
	refused, ok := errors.AsType[refusal](why)
	switch {
	case !ok:
		return errors.Is(why, errFinal)
	case refused.status == 408, refused.status == 425, refused.status == 429:
		return false
	}
	return refused.status/100 == 4 || refused.status == 204
}

// pause returns how long a reader waits that was not told when to come back.
func pause(r *reader, why error) time.Duration {
	wait := r.wire.retry
	if wait == 0 {
		wait = retryTime
	}
	if r.phase != phaseOpen {
		r.failures = min(r.failures+1, 10)
		wait = min(250*time.Millisecond<<r.failures, maxPause)
	}
	if refused, ok := errors.AsType[refusal](why); ok {
		wait += refused.after
	}
	return wait + rand.N(wait/2+1) // all readers of a node that died have the same retry time
}

// abandon ends the readers that have not become live, and will not be measured. Engines close what they have.
func (s *shard) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.readers {
		if r := &s.readers[i]; !r.live && r.phase != phaseEnded {
			s.move(r, phaseEnded)
		}
	}
}

// complete reports whether all readers have all that they should. Who does not come back is waited for in vain.
func (s *shard) complete(all []sent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.settled < len(s.readers); s.settled++ {
		r := &s.readers[s.settled]
		if lost, _ := r.tally.missing(all[r.target]); r.phase != phaseEnded && lost > 0 {
			return false
		}
	}
	return true
}
