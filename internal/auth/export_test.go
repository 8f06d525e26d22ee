package auth

import "time"

// SetClock makes the authenticator and all that belongs to it look at another clock.
func (t *Tokens) SetClock(now func() time.Time) {
	t.now, t.refusals.now = now, now
	for _, i := range t.issuers {
		if set, fetched := i.source.(*keySet); fetched {
			set.now = now
		}
	}
}

// SetFetchTimeout sets how long a key set may take.
func (t *Tokens) SetFetchTimeout(d time.Duration) {
	for _, i := range t.issuers {
		if set, fetched := i.source.(*keySet); fetched {
			set.timeout = d
		}
	}
}
