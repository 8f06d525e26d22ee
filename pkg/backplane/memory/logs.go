package memory

import (
	"sort"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// logs are the logs of the partition that exist: each has one entry or more. The engine's mutex guards them.
type logs struct {
	length int // the most entries of one log
	limit  int // the most bytes of all entries

	byName  map[event.LogName]*node[log]
	idle    list[log]    // the one with the oldest last append comes first
	records list[record] // of all logs, the oldest first
	bytes   int
	// floor is the last position of the logs that went because there were too many bytes. It is as if the retention age
	// had become shorter: who has not read up to the floor cannot know what an absent log had.
	floor event.Position
}

// log is one log. Its records come in the order of their positions, so that they can be searched.
type log struct {
	name    event.LogName
	records []*node[record]
}

type record struct {
	entry backplane.Entry
	log   *node[log]
}

// place is where an append happens.
type place struct {
	position event.Position
	head     event.Position // the partition's head before this append
	bound    event.Position // see Engine.bound
	horizon  event.Position // see Engine.horizon
}

func newLogs(length, limit int) logs {
	return logs{length: length, limit: limit, byName: make(map[event.LogName]*node[log])}
}

// append adds an entry to a log, makes the log where it is absent, and pays for both by letting go of what is too old or
// too much.
func (l *logs) append(name event.LogName, e event.Event, at place) backplane.Entry {
	entry := backplane.Entry{Log: name, Event: e, Position: at.position}
	owner := l.find(name, at.horizon)
	if owner == nil {
		entry.Prev, entry.Loose = at.bound, true
		if at.bound.After(at.head) {
			entry.Prev = at.head
		}
		owner = &node[log]{value: log{name: name}}
		l.byName[name] = owner
	} else {
		entry.Prev = owner.value.last()
		l.idle.remove(owner)
	}
	l.idle.push(owner)
	r := &node[record]{value: record{entry: entry, log: owner}}
	l.records.push(r)
	l.bytes += size(entry)
	owner.value.records = append(owner.value.records, r)
	if len(owner.value.records) > l.length {
		l.cut(owner)
	}
	for l.bytes > l.limit && l.records.first.value.entry.Position != at.position {
		l.evict()
	}
	l.sweep(at.horizon, 2) // more than was added, so that sweeping keeps up without a Run
	return entry
}

// find returns a log, nil where it is absent.
func (l *logs) find(name event.LogName, horizon event.Position) *node[log] {
	n := l.byName[name]
	if n != nil && horizon.After(n.value.last()) {
		l.drop(n)
		return nil
	}
	return n
}

// sweep drops expired logs until it has let go of so many entries, or none is left.
func (l *logs) sweep(horizon event.Position, entries int) {
	for n := l.idle.first; n != nil && entries > 0 && horizon.After(n.value.last()); n = l.idle.first {
		entries -= len(n.value.records)
		l.drop(n)
	}
}

// evict lets go of the oldest entry of all, and of its log where that was all it had.
func (l *logs) evict() {
	owner := l.records.first.value.log
	if len(owner.value.records) == 1 {
		l.floor = owner.value.last()
		l.drop(owner)
		return
	}
	l.cut(owner)
}

// cut lets go of the oldest entry of a log that has more.
func (l *logs) cut(owner *node[log]) {
	l.forget(owner.value.records[0])
	owner.value.records[0] = nil // the array lives on until append needs a larger one
	owner.value.records = owner.value.records[1:]
}

// drop lets go of a log.
func (l *logs) drop(owner *node[log]) {
	for _, r := range owner.value.records {
		l.forget(r)
	}
	l.idle.remove(owner)
	delete(l.byName, owner.value.name)
}

func (l *logs) forget(r *node[record]) {
	l.records.remove(r)
	l.bytes -= size(r.value.entry)
}

// last returns the position of the log's last append.
func (l *log) last() event.Position {
	return l.records[len(l.records)-1].value.entry.Position
}

// behind returns the records with positions after the given one.
func (l *log) behind(after event.Position) []*node[record] {
	return l.records[sort.Search(len(l.records), func(i int) bool {
		return l.records[i].value.entry.Position.After(after)
	}):]
}

func size(e backplane.Entry) int { return e.Event.Size() + EntryOverhead }
