package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
)

const (
	// spareFiles are what a run needs besides one file for each reader.
	spareFiles = 128
	// maxShards bounds how many goroutines read: the node that is measured may be on the same machine.
	maxShards = 4
	// look is how often is looked whether a step is done.
	look = 20 * time.Millisecond
	// connectStall is how long not one more reader may become live before those that are not are given up.
	connectStall = 30 * time.Second
	// grace is how long is read on when all has come: for what comes twice.
	grace = 200 * time.Millisecond
)

var (
	// ErrNothing says: no reader became live, or nothing was acknowledged while it was measured.
	ErrNothing = errors.New("nothing could be measured")

	// ErrFiles says: more files would have to be open than this process may have. Raise the limit, or ask for fewer readers.
	ErrFiles = errors.New("too many readers")
)

// run is one run.
type run struct {
	cfg        Config
	base       time.Time
	shards     []*shard
	lanes      []*lane
	publishers []*publisher
	closing    []func()      // of connections that nobody's reader or publisher closes
	told       time.Duration // when progress was last told

	plan        plan
	firstDial   time.Duration
	interrupted bool
}

// Run puts the load on and returns what was measured. It ends early with ctx: what was published by then is measured. It returns
// an error where there is nothing to report; what is wrong with what was measured, Report.Err says.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	if err := openFiles(uint64(cfg.Readers) + spareFiles); err != nil { //nolint:gosec // Validate bounds it
		return Report{}, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	r := &run{cfg: cfg, base: time.Now()}
	if err := r.prepare(ctx); err != nil {
		return Report{}, err
	}
	// Engines outlive ctx, which only ends publishing.
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	var engines sync.WaitGroup
	for _, s := range r.shards {
		serve := s.plain
		if cfg.Goroutines || cfg.HTTP2 || s.secure() {
			serve = s.goroutines
		}
		engines.Go(func() { // it ends with work; joined below
			if err := serve(work); err != nil {
				fail(err)
			}
		})
	}
	err := r.steps(ctx, work)
	if work.Err() != nil {
		err = context.Cause(work)
	}
	fail(nil)
	engines.Wait()
	r.hangUp()
	if err != nil {
		return Report{}, err
	}
	return r.report()
}

func (r *run) clock() time.Duration { return time.Since(r.base) }

// prepare finds out where to connect, whether that is allowed, and makes readers and publishers.
func (r *run) prepare(ctx context.Context) error {
	where, err := endpoints(ctx, r.cfg.URLs)
	if err != nil {
		return fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	if r.cfg.HTTP2 {
		for i := range where {
			var hangUp func()
			where[i].http2, hangUp = multiplexed(where[i], r.cfg.RootCAs)
			r.closing = append(r.closing, hangUp)
		}
	}
	name := r.cfg.Topic + "." + rand.Text()[:8]
	if err = check(ctx, r.cfg, name+".check"); err != nil {
		return err
	}
	token := ""
	if r.cfg.Credential != nil {
		if token, err = r.cfg.Credential(ctx); err != nil {
			return fmt.Errorf("ask for credential: %w", err)
		}
	}
	topics := make([]string, min(r.cfg.Targets, r.cfg.Readers))
	for i := range topics {
		topics[i] = fmt.Sprintf("%s.%d", name, i)
		r.lanes = append(r.lanes, &lane{topic: topics[i]})
	}
	r.addShards(topics, where, token)
	return r.addPublishers()
}

// addShards spreads the readers over targets, and over shards.
func (r *run) addShards(topics []string, where []endpoint, token string) {
	n := min(max(runtime.GOMAXPROCS(0)/2, 1), maxShards, r.cfg.Readers)
	for range n {
		s := &shard{clock: r.clock, topics: topics, endpoints: where, token: token, roots: r.cfg.RootCAs, bound: max(r.cfg.Connecting/n, 1)}
		s.onBlock = s.block
		s.seen.whys = make(map[string]int)
		r.shards = append(r.shards, s)
	}
	for i := range r.cfg.Readers {
		s := r.shards[i%n]
		// Targets and endpoints are gone through at different paces, or each target would have all its readers at one node.
		s.readers = append(s.readers, reader{target: int32(i % len(topics)), place: int32((i + i/len(topics)) % len(where))}) //nolint:gosec // Validate bounds them
	}
	for _, s := range r.shards {
		s.phases[phaseIdle] = len(s.readers)
	}
}

// addPublishers gives each publisher its targets, and begins with another URL at each.
func (r *run) addPublishers() error {
	n := min(r.cfg.Publishers, len(r.lanes))
	for i := range n {
		first := i % len(r.cfg.URLs)
		c, closed, err := r.cfg.client(func(settings *client.Config) {
			settings.URLs = append(append([]string(nil), r.cfg.URLs[first:]...), r.cfg.URLs[:first]...)
			settings.Credential = r.cfg.publishCredential()
			settings.Attempts, settings.BackoffMax = 1_000_000, 2*time.Second // for as long as the run lasts
			settings.BatchEvents, settings.BatchBytes = r.cfg.Batch, 1<<30
		})
		if err != nil {
			return err
		}
		r.closing = append(r.closing, closed)
		p := &publisher{client: c, clock: r.clock, size: r.cfg.Size, batch: r.cfg.Batch}
		for at := i; at < len(r.lanes); at += n {
			p.lanes = append(p.lanes, r.lanes[at])
		}
		r.publishers = append(r.publishers, p)
	}
	return nil
}

func (s *shard) secure() bool {
	for _, e := range s.endpoints {
		if e.secure {
			return true
		}
	}
	return false
}

func (r *run) hangUp() {
	for _, closed := range r.closing {
		closed()
	}
}

// steps goes through the run, while the engines serve. It returns an error where there is nothing to report.
func (r *run) steps(ctx, work context.Context) error {
	r.firstDial = r.clock()
	most, since := 0, r.clock()
	r.until(ctx, work, "connecting", func() bool {
		if live := r.live(); live > most {
			most, since = live, r.clock()
		}
		return most == r.cfg.Readers || r.clock()-since > connectStall
	})
	for _, s := range r.shards {
		s.abandon()
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w before all readers were connected", ErrNothing, context.Cause(ctx))
	case r.live() == 0:
		return fmt.Errorf("%w: no reader could connect: %s", ErrNothing, r.why())
	}
	if err := r.publish(ctx, work); err != nil {
		return err
	}
	r.interrupted = ctx.Err() != nil
	all := make([]sent, len(r.lanes))
	for i, l := range r.lanes {
		all[i] = l.sent
	}
	settled := context.WithoutCancel(ctx) // there is a time for it, also after a signal
	for _, wait := range []time.Duration{r.cfg.Settle, grace} {
		end := r.clock() + wait
		r.until(settled, work, "settling", func() bool { return r.clock() >= end || wait == r.cfg.Settle && r.complete(all) })
	}
	return nil
}

// publish publishes until the plan or ctx ends.
func (r *run) publish(ctx, work context.Context) error {
	r.plan = plan{begin: r.clock()}
	r.plan.measure = r.plan.begin + r.cfg.Warmup
	r.plan.end = r.plan.measure + r.cfg.Duration
	if r.cfg.Rate > 0 {
		r.plan.every = time.Duration(float64(r.cfg.Batch*len(r.publishers)) / r.cfg.Rate * float64(time.Second))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hard, stop := context.WithCancel(work)
	defer stop()
	failed := make(chan error, len(r.publishers))
	ended := make(chan struct{})
	var wait sync.WaitGroup
	for i, p := range r.publishers {
		p.plan = r.plan
		p.due = r.plan.begin + r.plan.every*time.Duration(i)/time.Duration(len(r.publishers))
		wait.Go(func() { // joined below
			if err := p.run(ctx, hard); err != nil {
				failed <- err
				cancel()
			}
		})
	}
	go func() { // it ends with the publishers
		wait.Wait()
		close(ended)
	}()
	isOver := func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
	r.until(ctx, work, "publishing", func() bool { return isOver() || r.clock() >= r.plan.end })
	// What is under way may take its time: it is not known to be stored before it is acknowledged.
	end := r.clock() + r.cfg.Settle
	r.until(work, work, "publishing", func() bool { return isOver() || r.clock() >= end })
	stop()
	<-ended
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// until waits until something is done, or a context ends, and tells how it goes.
func (r *run) until(ctx, work context.Context, phase string, done func() bool) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-work.Done():
			return
		}
		if now := r.clock(); r.cfg.Progress != nil && now-r.told >= time.Second {
			r.told = now
			r.cfg.Progress(r.progress(phase))
		}
	}
}

func (r *run) progress(name string) Progress {
	p := Progress{Elapsed: r.clock(), Phase: name, Readers: r.cfg.Readers}
	for _, s := range r.shards {
		s.mu.Lock()
		p.Open += s.phases[phaseOpen]
		p.Delivered += s.seen.delivered
		p.Reconnects += s.seen.reconnects
		s.mu.Unlock()
	}
	for _, other := range r.publishers {
		p.Acknowledged += other.acknowledged.Load()
	}
	return p
}

func (r *run) live() int {
	n := 0
	for _, s := range r.shards {
		s.mu.Lock()
		n += s.seen.live
		s.mu.Unlock()
	}
	return n
}

func (r *run) complete(all []sent) bool {
	for _, s := range r.shards {
		if !s.complete(all) {
			return false
		}
	}
	return true
}

// why returns the most common reason why connections ended.
func (r *run) why() string {
	best, most := "none was answered in time", 0
	for _, s := range r.shards {
		s.mu.Lock()
		for why, n := range s.seen.whys {
			if n > most {
				best, most = why, n
			}
		}
		s.mu.Unlock()
	}
	return best
}
