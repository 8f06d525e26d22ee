package redistest

import (
	"fmt"
	"strconv"
	"strings"
)

// node is a line of CLUSTER NODES.
type node struct {
	id     string
	self   bool // it is the server that was asked
	master bool
	of     string // the id of its master; a hyphen if it is one
	epoch  int
	ranges []string // of slots; also those that are on the move
}

func parseNode(line string) (n node, err error) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return node{}, fmt.Errorf("parse node %q: too few fields", line)
	}
	n = node{id: fields[0], of: fields[3], ranges: fields[8:]}
	for flag := range strings.SplitSeq(fields[2], ",") {
		n.self = n.self || flag == "myself"
		n.master = n.master || flag == "master"
	}
	if n.epoch, err = strconv.Atoi(fields[6]); err != nil {
		return node{}, fmt.Errorf("parse node %q: %w", line, err)
	}
	return n, nil
}

// holds reports whether the node holds a slot.
func (n node) holds(slot int) bool {
	for _, r := range n.ranges {
		low, high, isRange := strings.Cut(r, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			continue // a slot on the move: [slot->-id]
		}
		to, err := strconv.Atoi(high)
		if err == nil && from <= slot && slot <= to {
			return true
		}
	}
	return false
}

// nodes returns what the server knows of its cluster.
func (s *Server) nodes() (nodes []node, err error) {
	answer, err := s.try("CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(fmt.Sprint(answer)) {
		n, err := parseNode(line)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// self returns what the server knows of itself.
func (s *Server) self() (node, error) {
	nodes, err := s.nodes()
	if err != nil {
		return node{}, err
	}
	for _, n := range nodes {
		if n.self {
			return n, nil
		}
	}
	return node{}, fmt.Errorf("%s does not know itself", s.Addr)
}
