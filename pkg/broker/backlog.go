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

// minPageBytes keeps pages useful for a connection with very many logs.
const minPageBytes = 4 << 10

// backlog reads for connections what they have missed: a bounded number at a time, in first-come order. A slow reader asks
// for its next round when it has taken the last one, so that none holds a place.
type backlog struct {
	cfg     Config
	engine  backplane.Backplane
	log     *slog.Logger
	metrics Metrics

	mu      sync.Mutex
	waiting []store.Request
	wake    chan struct{} // holds a token for each reader that may find work
}

func newBacklog(cfg Config, engine backplane.Backplane, log *slog.Logger, metrics Metrics) *backlog {
	return &backlog{cfg: cfg, engine: engine, log: log, metrics: metrics, wake: make(chan struct{}, cfg.Readers)}
}

// Read queues a request.
func (b *backlog) Read(r store.Request) {
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // every reader has been woken, and looks again before it sleeps
	}
}

// next returns the first request that waits.
func (b *backlog) next() (r store.Request, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.waiting = nil // its memory goes with the storm that needed it
		return r, false
	}
	r, b.waiting[0] = b.waiting[0], store.Request{}
	b.waiting = b.waiting[1:]
	return r, true
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
				for r, found := b.next(); found && ctx.Err() == nil; r, found = b.next() {
					r.Conn.Fill(b.round(ctx, r))
				}
			}
		})
	}
	wg.Wait()
}

// round reads all logs of a request up to the head, as far as their pages are complete.
func (b *backlog) round(ctx context.Context, r store.Request) store.Round {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	round, err := b.read(ctx, r)
	if err != nil {
		b.metrics.ReadFailed()
		b.log.DebugContext(ctx, "read logs", slog.Any("error", err))
		return store.Round{Err: err}
	}
	return round
}

func (b *backlog) read(ctx context.Context, r store.Request) (store.Round, error) {
	// The head is read first: what comes after it is relayed to a connection that gathers already.
	head, err := b.engine.Head(ctx, backplane.Partition(r.Partition))
	if err != nil {
		return store.Round{}, fmt.Errorf("read head: %w", err)
	}
	queries := make([]backplane.Query, len(r.Logs))
	for i, l := range r.Logs {
		queries[i] = backplane.Query{
			Log: l.Log, After: l.After, Through: head,
			Limit: b.cfg.PageEvents, Bytes: max(minPageBytes, b.cfg.PageBytes/len(r.Logs)),
		}
	}
	pages, err := b.engine.Replay(ctx, queries)
	if err != nil {
		return store.Round{}, fmt.Errorf("replay %d logs: %w", len(queries), err)
	}
	return b.merge(head, r.Logs, pages), nil
}

// merge makes one round of the pages of several logs: in order of position, and never past the smallest position up to
// which every page is complete. A log with a gap goes on from the head: its reader fetches afresh what the log was about,
// and what is left of the log is older than that.
func (b *backlog) merge(head event.Position, logs []store.Reading, pages []backplane.Page) store.Round {
	round := store.Round{Through: head, Fence: head}
	gaps := make(map[event.GapReason][]event.LogName)
	var entries []backplane.Entry
	for i, page := range pages {
		if page.Gap != event.GapNone {
			gaps[page.Gap] = append(gaps[page.Gap], logs[i].Log)
			continue
		}
		entries = append(entries, page.Entries...)
		if page.Full {
			if end := page.Entries[len(page.Entries)-1].Position; round.Through.After(end) {
				round.Through = end
			}
		}
	}
	for _, reason := range []event.GapReason{event.GapLost, event.GapExpired, event.GapTrimmed} {
		if named := gaps[reason]; len(named) > 0 {
			round.Gaps = append(round.Gaps, store.Gap{Reason: reason, Logs: named})
		}
	}
	slices.SortStableFunc(entries, func(a, b backplane.Entry) int { return a.Position.Compare(b.Position) })
	entries = slices.CompactFunc(entries, func(a, b backplane.Entry) bool { return a.Position == b.Position }) // one event, two targets
	size := 0
	for _, e := range entries {
		if e.Position.After(round.Through) {
			break
		}
		if size >= b.cfg.PageBytes {
			round.Through = round.Frames[len(round.Frames)-1].Position()
			break
		}
		frame := sse.NewFrame(e.Log.Target, e.Event, e.Position)
		size += frame.Size()
		round.Frames = append(round.Frames, frame)
	}
	return round
}
