package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
	"github.com/pushstream/pushstream/pkg/store"
)

const (
	// minPageBytes and minPageEvents keep pages useful for a connection with very many logs, and in a large batch.
	minPageBytes  = 4 << 10
	minPageEvents = 10
)

// backlog reads for connections what they have missed: a bounded number at a time, in first-come order. A slow reader asks
// for its next round when it has taken the last one, so that none holds a place.
type backlog struct {
	cfg     Config
	engine  backplane.Backplane
	log     *slog.Logger
	metrics Metrics
	relay   *relay

	mu      sync.Mutex
	waiting []store.Request
	wake    chan struct{} // holds a token for each reader that may find work
}

func newBacklog(cfg Config, engine backplane.Backplane, log *slog.Logger, metrics Metrics) *backlog {
	return &backlog{cfg: cfg, engine: engine, log: log, metrics: metrics, wake: make(chan struct{}, cfg.Readers)}
}

// Read answers a request with what the relay has passed on, or else queues it.
func (b *backlog) Read(r store.Request) (round store.Round, atOnce bool) {
	if round, atOnce = b.relay.recall(r, b.cfg.PageBytes); atOnce {
		return round, true
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // every reader has been woken, and looks again before it sleeps
	}
	return store.Round{}, false
}

// next returns the requests that waited longest, all of one partition: one, or what is read together in a storm.
func (b *backlog) next() []store.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.waiting = nil // its memory goes with the storm that needed it
		return nil
	}
	n := 1
	for n < min(len(b.waiting), b.cfg.BatchRequests) && b.waiting[n].Partition == b.waiting[0].Partition {
		n++
	}
	// A part for each reader of the logs: at rest nobody waits for another's round trip.
	n = max(1, min(n, len(b.waiting)/b.cfg.Readers))
	taken := slices.Clone(b.waiting[:n])
	clear(b.waiting[:n])
	b.waiting = b.waiting[n:]
	return taken
}

// run answers requests until ctx ends.
func (b *backlog) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range b.cfg.Readers {
		wg.Go(func() { // joined below
			for {
				select {
				case <-ctx.Done():
					return
				case <-b.wake:
				}
				for batch := b.next(); batch != nil && ctx.Err() == nil; batch = b.next() {
					b.answer(ctx, batch)
				}
			}
		})
	}
	wg.Wait()
}

// answer answers a batch of requests. Those that the relay can answer by now, because an earlier batch has read the same
// logs, cost no reading.
func (b *backlog) answer(ctx context.Context, batch []store.Request) {
	unread := batch[:0]
	for _, r := range batch {
		if round, atHand := b.relay.recall(r, b.cfg.PageBytes); atHand {
			r.Conn.Fill(round)
		} else {
			unread = append(unread, r)
		}
	}
	if len(unread) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	rounds, err := b.read(ctx, unread)
	if err != nil {
		b.metrics.ReadFailed()
		b.log.DebugContext(ctx, "read logs", slog.Any("error", err))
	}
	for i, r := range unread {
		if err != nil {
			r.Conn.Fill(store.Round{Err: err})
		} else {
			r.Conn.Fill(rounds[i])
		}
	}
}

// read reads all logs of a batch up to the head, as far as their pages are complete: the same log from the same place once.
func (b *backlog) read(ctx context.Context, batch []store.Request) ([]store.Round, error) {
	partition := batch[0].Partition
	epoch := b.relay.epoch(partition)
	// The head is read first: what comes after it is relayed to a connection that gathers already.
	head, err := b.engine.Head(ctx, backplane.Partition(partition))
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	places := make(map[store.Reading]int)
	var queries []backplane.Query
	for _, r := range batch {
		for _, l := range r.Logs {
			if _, known := places[l]; known {
				continue
			}
			places[l] = len(queries)
			queries = append(queries, backplane.Query{
				Log: l.Log.Name, After: l.After, Through: head,
				Limit: max(minPageEvents, b.cfg.PageEvents/len(batch)), Bytes: max(minPageBytes, b.cfg.PageBytes/len(r.Logs)/len(batch)),
			})
		}
	}
	pages, err := b.engine.Replay(ctx, queries)
	if err != nil {
		return nil, fmt.Errorf("replay %d logs: %w", len(queries), err)
	}
	known := make([]excerpt, len(pages))
	for i, page := range pages {
		known[i] = excerptOf(page)
		b.relay.learn(partition, epoch, queries[i], known[i])
	}
	rounds := make([]store.Round, len(batch))
	for i, r := range batch {
		own := make([]excerpt, len(r.Logs))
		for j, l := range r.Logs {
			own[j] = known[places[l]]
		}
		rounds[i] = b.round(head, r.Logs, own)
	}
	return rounds, nil
}

// excerpt is a page whose events are encoded once, for however many connections want them.
type excerpt struct {
	frames []store.Frame
	full   bool
	gap    event.GapReason
}

func excerptOf(page backplane.Page) excerpt {
	frames := make([]store.Frame, len(page.Entries))
	for i, e := range page.Entries {
		frames[i] = sse.NewFrame(e.Log.Target, e.Event, e.Position)
	}
	return excerpt{frames, page.Full, page.Gap}
}

// round makes one round of the excerpts of several logs: in order of position, and never past the smallest position up to
// which every one is complete. A log with a gap goes on from the head: its reader fetches afresh what the log was about,
// and what is left of the log is older than that.
func (b *backlog) round(head event.Position, logs []store.Reading, excerpts []excerpt) store.Round {
	round := store.Round{Through: head, Fence: head}
	gaps := make(map[event.GapReason][]*store.Log)
	var parts [][]store.Frame
	for i, e := range excerpts {
		if e.gap != event.GapNone {
			gaps[e.gap] = append(gaps[e.gap], logs[i].Log)
			continue
		}
		if len(e.frames) > 0 {
			parts = append(parts, e.frames)
		}
		if e.full {
			if end := e.frames[len(e.frames)-1].Position(); round.Through.After(end) {
				round.Through = end
			}
		}
	}
	for _, reason := range []event.GapReason{event.GapLost, event.GapExpired, event.GapTrimmed} {
		if named := gaps[reason]; len(named) > 0 {
			round.Gaps = append(round.Gaps, store.Gap{Reason: reason, Logs: named})
		}
	}
	round.Frames = merge(parts)
	size := 0
	for i, f := range round.Frames {
		switch {
		case f.Position().After(round.Through):
		case size >= b.cfg.PageBytes:
			round.Through = round.Frames[i-1].Position()
		default:
			size += f.Size()
			continue
		}
		round.Frames = round.Frames[:i]
		break
	}
	round.Frames = slices.Clip(round.Frames) // they may be shared with other rounds
	return round
}
