package memory

import (
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

// keys remember the publishers' own names of events, in two generations: what is asked for is in one of them, and the
// older is forgotten as a whole. The engine's mutex guards them.
type keys struct {
	age        time.Duration
	turned     time.Time
	young, old map[key]event.Position
}

// key is a struct, since no separator could keep its parts apart.
type key struct {
	log  event.LogName
	name string
	live bool // of an event that is live only
}

func newKeys(age time.Duration, now time.Time) keys {
	return keys{age: age, turned: now, young: make(map[key]event.Position)}
}

// turn begins a generation once the young one has taken keys for the age. It comes before add, so that a key is never
// added to a generation that has had its time.
func (k *keys) turn(now time.Time) {
	passed := now.Sub(k.turned)
	if passed < k.age {
		return
	}
	k.old, k.young, k.turned = k.young, make(map[key]event.Position), now
	if passed/2 >= k.age {
		k.old = nil
	}
}

// find returns the position of the event that had this key first.
func (k *keys) find(of key) (event.Position, bool) {
	if of.name == "" {
		return event.Position{}, false
	}
	if p, found := k.young[of]; found {
		return p, true
	}
	p, found := k.old[of]
	return p, found
}

func (k *keys) add(of key, p event.Position) {
	if of.name != "" {
		k.young[of] = p
	}
}
