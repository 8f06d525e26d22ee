package memory

// list is a chain of nodes in the order in which they were pushed. The zero list is empty.
type list[T any] struct {
	first, last *node[T]
}

type node[T any] struct {
	value         T
	before, after *node[T]
}

// push adds a node that is in no list at the end.
func (l *list[T]) push(n *node[T]) {
	n.before, n.after = l.last, nil
	if l.last == nil {
		l.first = n
	} else {
		l.last.after = n
	}
	l.last = n
}

// remove takes a node of this list out.
func (l *list[T]) remove(n *node[T]) {
	if n.before == nil {
		l.first = n.after
	} else {
		n.before.after = n.after
	}
	if n.after == nil {
		l.last = n.before
	} else {
		n.after.before = n.before
	}
}
