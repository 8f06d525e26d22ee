package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// Metrics counts what the engine does. It is safe for concurrent use.
type Metrics interface {
	// Called times a call of a function on the server.
	Called(function string, took time.Duration, err error)
	// Committed counts a call that published so many events.
	Committed(events int)
	// RelayUp says how many partitions' relays are vouched for, by so many more or less.
	RelayUp(change int)
	// Canary times the way of a canary: out by a call, back by the relay.
	Canary(took time.Duration)
	// Passed counts messages of the relay, and entries of logs, by what became of them: ResultRelayed, ResultLive,
	// ResultUnreadable.
	Passed(result string)
	// Ingested counts entries of the ingest stream: ResultPublished, ResultMalformed.
	Ingested(result string)
}

// Results that Metrics are told of.
const (
	// ResultRelayed is an event with a position that came by the relay.
	ResultRelayed = "relayed"
	// ResultLive is an event without one.
	ResultLive = "live"
	// ResultUnreadable is what is no event. It is dropped.
	ResultUnreadable = "unreadable"
	// ResultPublished is an entry of the ingest stream that was published.
	ResultPublished = "published"
	// ResultMalformed is one that was put aside.
	ResultMalformed = "malformed"
)

// Engine is a backplane on Redis. It is safe for concurrent use. It holds connections: close it.
type Engine struct {
	config     Config
	log        *slog.Logger
	metrics    Metrics
	functions  functions
	settings   string // as the functions read them
	servers    *servers
	partitions []*partition

	running  atomic.Bool
	closing  sync.Once
	closed   chan struct{}
	starting sync.Mutex     // nothing is added to work once it is closed
	work     sync.WaitGroup // commits that go on
	said     sync.Map       // warnings that were given
	// dialRelay replaces Config.Dial for the connections of the relay, in tests that do harm to these alone.
	dialRelay dialer
}

var (
	_ backplane.Backplane = (*Engine)(nil)
	_ backplane.Tickets   = (*Engine)(nil)
	_ backplane.Signals   = (*Engine)(nil)
)

// New returns an engine. It connects to nothing yet. The error lists all faults of the configuration.
func New(config Config, log *slog.Logger, metrics Metrics) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("open redis backplane: %w", err)
	}
	s, err := newServers(config)
	if err != nil {
		return nil, fmt.Errorf("open redis backplane: %w", err)
	}
	e := &Engine{
		config: config, log: log, metrics: metrics, functions: functionsOf(version), servers: s,
		settings: fmt.Sprintf("%d %d %d %d", config.Partitions, config.RetentionLength, config.RetentionAge.Milliseconds(), config.KeyAge.Milliseconds()),
		closed:   make(chan struct{}), dialRelay: config.Dial,
	}
	for i := range config.Partitions {
		e.partitions = append(e.partitions, newPartition(e, backplane.Partition(i)))
	}
	return e, nil
}

// Close ends everything that goes on, and the connections. It may be called again.
func (e *Engine) Close() error {
	var err error
	e.closing.Do(func() {
		e.starting.Lock()
		close(e.closed)
		e.starting.Unlock()
		e.work.Wait()
		err = e.servers.commands.Close()
	})
	if err != nil {
		return fmt.Errorf("close redis backplane: %w", err)
	}
	return nil
}

// start has a goroutine work, which Close waits for. It reports false if the engine is closed.
func (e *Engine) start(work func()) bool {
	e.starting.Lock()
	defer e.starting.Unlock()
	if e.isClosed() {
		return false
	}
	e.work.Go(work)
	return true
}

func (e *Engine) isClosed() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

// alive returns a context that ends with ctx or with the engine.
func (e *Engine) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // joined by the returned function
		defer close(ended)
		select {
		case <-e.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// Capabilities says how the engine is set.
func (e *Engine) Capabilities() backplane.Capabilities {
	return backplane.Capabilities{
		Partitions:      e.config.Partitions,
		RetentionLength: e.config.RetentionLength,
		RetentionAge:    e.config.RetentionAge,
		KeyAge:          e.config.KeyAge,
	}
}

// Stalled returns for how long a partition's relay has been in doubt although its functions answer: this node cannot
// serve, and another one may. Zero where no relay is, or where Redis is away altogether.
func (e *Engine) Stalled() time.Duration {
	if !e.running.Load() {
		return 0
	}
	var longest time.Duration
	for _, p := range e.partitions {
		longest = max(longest, p.stalled())
	}
	return longest
}

// Head returns the partition's last position.
func (e *Engine) Head(ctx context.Context, partition backplane.Partition) (event.Position, error) {
	p := e.partitions[partition]
	r, err := e.readHead(ctx, p)
	if err != nil {
		return event.Position{}, fmt.Errorf("read head: %w", err)
	}
	return r, nil
}

func (e *Engine) readHead(ctx context.Context, p *partition) (event.Position, error) {
	if e.isClosed() {
		return event.Position{}, backplane.ErrClosed
	}
	return p.heads.read(ctx)
}

func (e *Engine) partitionOf(tenant event.Tenant) *partition {
	return e.partitions[backplane.PartitionOf(tenant, len(e.partitions))]
}
