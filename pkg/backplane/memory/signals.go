package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// Send hands a message to the Run that goes on, if any: there is no other node.
func (e *Engine) Send(ctx context.Context, partition backplane.Partition, message []byte, keep time.Duration) (nodes int, err error) {
	if err := backplane.CheckSignal(message, keep); err != nil {
		return 0, fmt.Errorf("send signal: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(ctx); err != nil {
		return 0, fmt.Errorf("send signal: %w", err)
	}
	if keep >= time.Millisecond && len(message) > 0 {
		if err := e.keep(string(message), keep); err != nil {
			return 0, fmt.Errorf("send signal: %w", err)
		}
	}
	if e.sink == nil {
		return 0, nil
	}
	e.sink.Signal(partition, bytes.Clone(message))
	return 1, nil
}

// keep notes a signal for a Run to come. The caller holds the mutex.
func (e *Engine) keep(message string, age time.Duration) error {
	now := e.now()
	until, kept := e.signals[message]
	if !kept && len(e.signals) >= backplane.MaxKeptSignals {
		e.forgetSignals(now)
		if len(e.signals) >= backplane.MaxKeptSignals {
			return backplane.ErrTooManySignals
		}
	}
	if end := now.Add(age); end.After(until) {
		e.signals[message] = end
	}
	return nil
}

// recall hands the signals that are kept to a Run that begins. The caller holds the mutex.
func (e *Engine) recall(sink backplane.Sink) {
	e.forgetSignals(e.now())
	for message := range e.signals {
		sink.Signal(0, []byte(message))
	}
}

func (e *Engine) forgetSignals(now time.Time) {
	for message, until := range e.signals {
		if !now.Before(until) {
			delete(e.signals, message)
		}
	}
}
