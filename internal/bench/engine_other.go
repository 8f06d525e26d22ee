//go:build !linux

package bench

import "context"

// plain serves readers without TLS until ctx ends.
func (s *shard) plain(ctx context.Context) error { return s.goroutines(ctx) }
