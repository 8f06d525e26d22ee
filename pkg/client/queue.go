package client

import "sync"

// item is what a consumer is to be given: an event, or a gap.
type item struct {
	event Event
	// cursor is where to go on once this has been handed over. Cursors of control blocks behind it move it on.
	cursor string
}

// queue is what lies between a connection and its consumer, in order. It has one writer and one reader. Its writer waits
// where it is full, and so does the server in the end: nothing is ever dropped.
type queue struct {
	room     int
	readable chan struct{}
	writable chan struct{}

	mu     sync.Mutex
	items  []item
	cursor string // of the last thing that was handed over, and of the control blocks behind it
	ended  bool
	err    error
}

func newQueue(room int, cursor string) *queue {
	return &queue{room: room, cursor: cursor, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

// put appends an item. It waits for room, and reports false if stop was closed first.
func (q *queue) put(stop <-chan struct{}, it item) bool {
	for {
		q.mu.Lock()
		fits := len(q.items) < q.room
		if fits {
			q.items = append(q.items, it)
		}
		q.mu.Unlock()
		if fits {
			wake(q.readable)
			return true
		}
		select {
		case <-q.writable:
		case <-stop:
			return false
		}
	}
}

// pass moves the cursor on, behind everything that is there.
func (q *queue) pass(cursor string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := len(q.items) - 1; last >= 0 {
		q.items[last].cursor = cursor
	} else {
		q.cursor = cursor
	}
}

// end says that nothing more will come, and why.
func (q *queue) end(err error) {
	q.mu.Lock()
	q.ended, q.err = true, err
	q.mu.Unlock()
	wake(q.readable)
}

// peek waits for the next item, which stays. It reports false at the end, or if stop was closed.
func (q *queue) peek(stop <-chan struct{}) (item, bool) {
	for {
		select {
		case <-stop:
			return item{}, false
		default:
		}
		q.mu.Lock()
		some, ended := len(q.items) > 0, q.ended
		var it item
		if some {
			it = q.items[0]
		}
		q.mu.Unlock()
		if some || ended {
			return it, some
		}
		select {
		case <-q.readable:
		case <-stop:
		}
	}
}

// take removes the item that peek returned: it has been handed over.
func (q *queue) take() {
	q.mu.Lock()
	q.cursor = q.items[0].cursor
	q.items[0] = item{}
	q.items = q.items[1:]
	q.mu.Unlock()
	wake(q.writable)
}

// at returns the cursor.
func (q *queue) at() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cursor
}

// failure returns why it ended.
func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// wake tells the other side, which may not be waiting, that something has changed.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
