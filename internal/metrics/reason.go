package metrics

import (
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxReasons is the most values of one label. They are words of the code and not of callers, so there are few; should
	// foreign text get in all the same, it costs no more than this.
	maxReasons = 32
	// maxReason is the most bytes of a value: longer text is no word.
	maxReason = 64
	// otherReason counts what is over those bounds.
	otherReason = "other"
)

// byReason is a counter with one label. The values that are known from the start are there from the start, since a counter
// that appears with its first increment hides that increment from rate().
type byReason struct {
	vec *prometheus.CounterVec

	mu       sync.Mutex
	children map[string]prometheus.Counter
}

func newByReason(name, help, label string, known ...string) *byReason {
	opts := prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	b := &byReason{vec: prometheus.NewCounterVec(opts, []string{label}), children: make(map[string]prometheus.Counter)}
	for _, reason := range append(known, otherReason) {
		b.children[reason] = b.vec.WithLabelValues(reason)
	}
	return b
}

func (b *byReason) add(reason string, n int) {
	b.child(reason).Add(float64(n))
}

func (b *byReason) child(reason string) prometheus.Counter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, found := b.children[reason]; found {
		return c
	}
	if len(b.children) >= maxReasons || reason == "" || len(reason) > maxReason || !utf8.ValidString(reason) {
		return b.children[otherReason]
	}
	c := b.vec.WithLabelValues(reason)
	b.children[reason] = c
	return c
}
