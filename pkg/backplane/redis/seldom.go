package redis

import (
	"sync"
	"time"
)

// seldomEvery is how often the same trouble is logged while it lasts.
const seldomEvery = 10 * time.Second

// seldom says when trouble that comes many times a second is worth another line of the log. It is safe for concurrent use.
type seldom struct {
	mu   sync.Mutex
	last time.Time
}

func (s *seldom) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && time.Since(s.last) < seldomEvery {
		return false
	}
	s.last = time.Now()
	return true
}
