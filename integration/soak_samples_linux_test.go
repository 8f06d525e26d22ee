package integration_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// soakPool is the most connections that a node has for commands.
const soakPool = 16

// soakSample is what there is at one moment.
type soakSample struct {
	after       time.Duration // the beginning
	nodes       []footprint
	connections []int
	keys        int
	redisMemory int // bytes
	clients     int // of Redis
	connects    int64
}

// sample takes samples until the end.
func (s *soak) sample(began, end time.Time) {
	every := max(s.total/600, 200*time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for number := 0; time.Now().Before(end); number++ {
		<-tick.C
		m := soakSample{after: time.Since(began), keys: s.number("DBSIZE"), connects: s.counts.connects.Load()}
		m.redisMemory, m.clients = s.infoNumber("memory", "used_memory"), s.infoNumber("clients", "connected_clients")
		for _, n := range s.nodes {
			m.nodes = append(m.nodes, n.footprint(s.t))
			m.connections = append(m.connections, int(n.metric("pushstream_connections")))
		}
		s.samples = append(s.samples, m)
		if number%30 == 0 {
			s.t.Logf("%v", m)
		}
	}
}

// String is for the log.
func (m soakSample) String() string {
	parts := []string{fmt.Sprintf("after %v: %d connects, %d keys, Redis has %d bytes and %d clients", m.after.Round(time.Second), m.connects, m.keys, m.redisMemory, m.clients)}
	for i, n := range m.nodes {
		parts = append(parts, fmt.Sprintf("node %d has %d connections, %+v", i+1, m.connections[i], n))
	}
	return strings.Join(parts, "; ")
}

// ask is for commands of the test's own connection.
func (s *soak) ask(args ...any) any {
	s.t.Helper()
	answer, err := s.client.Do(context.WithoutCancel(s.t.Context()), args...).Result()
	require.NoError(s.t, err, "%v", args)
	return answer
}

// number returns what a command counts.
func (s *soak) number(args ...any) int {
	s.t.Helper()
	n, ok := s.ask(args...).(int64)
	require.True(s.t, ok, "%v", args)
	return int(n)
}

// infoNumber returns a field of INFO.
func (s *soak) infoNumber(section, field string) int {
	_, after, _ := strings.Cut(fmt.Sprint(s.ask("INFO", section)), "\n"+field+":")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(s.t, err, field)
	return n
}

// soakRest is what there is when nobody is there.
type soakRest struct {
	nodes       []footprint
	files       int            // of all nodes, besides their connections to Redis
	keys        []string       // all of them
	fields      map[string]int // of keys that only nodes add to
	channels    map[string]int // subscribers by channel
	subscribed  int            // connections to Redis that are subscribed
	pooled      int            // connections to Redis for commands: as many as were needed at a time, and so not always the same
	redisMemory int
}

// rest waits until everything that expires has expired, and looks a few times more: connections that have just ended, those
// of the looks too, have a goroutine and a file for a moment longer. What leaks is there each time.
func (s *soak) rest() (r soakRest) {
	s.t.Helper()
	const looks = 8
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	deadline := time.Now().Add(2*s.unit + patience)
	for r = s.look(); len(r.passing()) > 0; r = s.look() {
		if time.Now().After(deadline) {
			s.fault("there still are %v", r.passing())
			break
		}
		<-look.C
	}
	for range looks {
		<-look.C
		again := s.look()
		again.files = min(again.files, r.files)
		for i := range r.nodes {
			again.nodes[i].goroutines = min(again.nodes[i].goroutines, r.nodes[i].goroutines)
		}
		r = again
	}
	s.t.Logf("at rest after %v: %+v", time.Since(s.began).Round(time.Second), r)
	return r
}

// passing is what is not there for long.
func (r soakRest) passing() (names []string) {
	for _, name := range slices.Concat(r.keys, slices.Collect(maps.Keys(r.channels))) {
		if strings.Contains(name, ":log:") || strings.Contains(name, ":ticket:") {
			names = append(names, name)
		}
	}
	return names
}

func (s *soak) look() (r soakRest) {
	s.t.Helper()
	for _, n := range s.nodes { // before the node is asked anything, which opens connections
		r.files += n.descriptors(s.t)
	}
	for _, n := range s.nodes {
		r.nodes = append(r.nodes, n.footprint(s.t))
	}
	for line := range strings.SplitSeq(strings.TrimSpace(fmt.Sprint(s.ask("CLIENT", "LIST"))), "\n") {
		if strings.Contains(line, " sub=0 ") && strings.Contains(line, " ssub=0 ") {
			r.pooled++
		} else {
			r.subscribed++
		}
	}
	r.pooled-- // the test's own
	r.files -= r.pooled + r.subscribed
	r.fields, r.channels = map[string]int{}, map[string]int{}
	for _, key := range s.names("KEYS", "*") {
		r.keys = append(r.keys, key)
		if strings.Contains(key, ":log:") || strings.Contains(key, ":keys:") { // publishers' keys are forgotten by later publishes
			continue
		}
		switch s.ask("TYPE", key) {
		case "hash":
			r.fields[key] = s.number("HLEN", key)
		case "stream":
			r.fields[key] = s.number("XLEN", key)
		}
	}
	for _, channel := range s.names("PUBSUB", "CHANNELS") {
		found, ok := s.ask("PUBSUB", "NUMSUB", channel).([]any)
		require.True(s.t, ok)
		subscribers, err := strconv.Atoi(fmt.Sprint(found[1]))
		require.NoError(s.t, err)
		// A node's own channel has another name after each interruption of its relay.
		channel = regexp.MustCompile(`:node:.*`).ReplaceAllString(channel, ":node:NAME")
		r.channels[channel] += subscribers
	}
	r.redisMemory = s.infoNumber("memory", "used_memory")
	return r
}

// names returns what a command lists, sorted.
func (s *soak) names(args ...any) (names []string) {
	s.t.Helper()
	list, ok := s.ask(args...).([]any)
	require.True(s.t, ok)
	for _, name := range list {
		names = append(names, fmt.Sprint(name))
	}
	slices.Sort(names)
	return names
}
