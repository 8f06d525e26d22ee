package httpapi

import (
	"sync"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

// users counts the streams of each user against a limit. It is apart from admission because who reads is known only behind
// authentication, which must not be asked before there is room. It is safe for concurrent use.
type users struct {
	most int // 0 = no limit

	mu   sync.Mutex
	open map[event.LogName]int // by tenant and user: the same id in another tenant is somebody else
}

func newUsers(most int) *users {
	return &users{most: most, open: make(map[event.LogName]int)}
}

// check returns why a stream of a principal would not be admitted now; nil if it would.
func (u *users) check(p auth.Principal) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.full(userOf(p))
}

// enter admits a stream, or returns why not. An admitted one has to leave.
func (u *users) enter(user event.LogName) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.full(user); err != nil {
		return err
	}
	if u.counts(user) {
		u.open[user]++
	}
	return nil
}

func (u *users) leave(user event.LogName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.counts(user) {
		return
	}
	if u.open[user]--; u.open[user] == 0 {
		delete(u.open, user)
	}
}

func (u *users) full(user event.LogName) error {
	if u.counts(user) && u.open[user] >= u.most {
		return overloaded("too_many_connections_per_user", "this user has as many streams as a user may have (limits.connections_per_user); close one first")
	}
	return nil
}

// counts reports whether a limit is for this user: readers without one are nobody in particular.
func (u *users) counts(user event.LogName) bool { return u.most > 0 && !user.Target.IsZero() }

func userOf(p auth.Principal) event.LogName { return event.LogName{Tenant: p.Tenant, Target: p.User} }
