package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// What a partition's channel for all nodes carries: a mark, or a signal.
const (
	markPrefix   = "mark "
	signalPrefix = "signal "
)

// Send relays a message to all nodes, and keeps it for those to come. It is tried again for as long as a publish is, and what
// is kept reaches as many replicas.
func (e *Engine) Send(ctx context.Context, number backplane.Partition, message []byte, keep time.Duration) (nodes int, err error) {
	if e.isClosed() {
		return 0, fmt.Errorf("send signal: %w", backplane.ErrClosed)
	}
	if err = backplane.CheckSignal(message, keep); err != nil {
		return 0, fmt.Errorf("send signal: %w", err)
	}
	p := e.partitions[number]
	i := invocation{
		function: functionSignal, keys: []string{p.names.head, p.names.kept},
		args: []any{e.settings, message, max(0, keep.Milliseconds()), backplane.MaxKeptSignals},
	}
	if keep > 0 && e.config.Acknowledge == AcknowledgeReplica {
		i.replicas = e.config.Replicas
	}
	r, err := e.repeat(ctx, p, i, e.config.PublishTimeout)
	if err != nil {
		return 0, fmt.Errorf("send signal: %w", err)
	}
	if len(r.rest) == 1 {
		switch heard := r.rest[0].(type) {
		case int64:
			return int(heard), nil
		case string:
			return 0, fmt.Errorf("send signal: %w", backplane.ErrTooManySignals)
		}
	}
	return 0, fmt.Errorf("send signal: redis: %w: the function answered something else", backplane.ErrUnavailable)
}

// recall reads the signals that are kept, for the sink to have before it is vouched for. By now the channel is confirmed:
// what is sent from here on comes over it.
func (s *session) recall(ctx context.Context) error {
	p := s.partition
	r, err := p.engine.once(ctx, invocation{
		function: functionSignals, keys: []string{p.names.head, p.names.kept}, args: []any{p.engine.settings},
	})
	p.answered(ctx, err)
	if err != nil {
		return fmt.Errorf("read signals: %w", err)
	}
	if r.run != s.run {
		return fmt.Errorf("the signals are %w", errElsewhere)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.kept = r.rest
	return nil
}

// passKept hands the signals that were kept to the sink. The reader of the connection calls it.
func (s *session) passKept() {
	p := s.partition
	p.mu.Lock()
	kept := s.kept
	s.kept = nil
	p.mu.Unlock()
	for _, k := range kept {
		if message, ok := k.(string); ok {
			s.sink.Signal(p.number, []byte(message))
		}
	}
}

// signal takes what was sent to all nodes.
func (s *session) signal(payload string) {
	if message, found := strings.CutPrefix(payload, signalPrefix); found {
		s.sink.Signal(s.partition.number, []byte(message))
		return
	}
	if at, found := strings.CutPrefix(payload, markPrefix); found {
		if head, err := event.ParsePosition(at); err == nil {
			s.marked(head)
			return
		}
	}
	s.partition.engine.metrics.Passed(ResultUnreadable)
}
