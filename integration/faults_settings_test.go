package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pushstream/pushstream/internal/redistest"
)

// setting is how a deployment is made.
type setting struct {
	// name is what schedules and the matrix call it.
	name  string
	nodes int
	args  []string // of the nodes
	front string   // the balancer, if any
	apart int      // a node with a host of its own, which has an address and a cable; 0 if there is none
	store func(t *testing.T) *store
}

// store is what nodes keep their events in.
type store struct {
	// url returns what a node connects to; nil for the embedded backplane.
	url func(node int) string
	// server returns the server that has the events at the moment.
	server func() *redistest.Server

	host     *redistest.Host   // that of Redis, if it has one
	links    []*redistest.Link // one for each node, if that is the setting
	sentinel *redistest.Sentinel
	cluster  *redistest.Cluster
}

func settings() []setting {
	memory := []string{"client-output-buffer-limit pubsub 256mb 64mb 60"}
	lasting := append(memory[:1:1], "appendonly yes", "appendfsync everysec")
	replicated := append([]string{"min-replicas-to-write 0"}, lasting...)
	return []setting{
		{name: "embedded", nodes: 1, store: func(*testing.T) *store { return new(store) }},
		{name: "always", nodes: 3, store: standalone(append(memory[:1:1], durable...)...)},
		{name: "everysec", nodes: 3, store: standalone(lasting...)},
		{name: "everysec, slow disk", nodes: 3, store: onSlowDisk(lasting...)},
		{name: "memory", nodes: 3, store: standalone(memory...)},
		{name: "short logs", nodes: 3, store: standalone(lasting...), args: []string{"--retention-length", "150"}},
		{name: "links", nodes: 3, store: linked(lasting...)},
		{name: "hosts", nodes: 3, store: standalone(lasting...), apart: 1},
		{name: "Redis apart", nodes: 3, store: onHost(lasting...)},
		{name: "nginx, short streams", nodes: 3, store: standalone(lasting...), front: "nginx", args: []string{"--stream-max-age", "6s"}},
		{name: "haproxy, short streams", nodes: 3, store: standalone(lasting...), front: "haproxy", args: []string{"--stream-max-age", "6s"}},
		{name: "nginx", nodes: 3, store: standalone(lasting...), front: "nginx"},
		{name: "haproxy", nodes: 3, store: standalone(lasting...), front: "haproxy"},
		{name: "sentinel", nodes: 3, store: underSentinel(replicated...)},
		{name: "sentinel, level replica", nodes: 3, store: underSentinel(replicated...), args: []string{"--backplane-acknowledge", "replica"}},
		{name: "sentinel, split", nodes: 3, store: splittable(replicated...)},
		{name: "sentinel, split, level replica", nodes: 3, store: splittable(replicated...), args: []string{"--backplane-acknowledge", "replica"}},
		{name: "cluster", nodes: 3, store: inCluster(lasting...)},
		{name: "cluster, level replica", nodes: 3, store: inCluster(lasting...), args: []string{"--backplane-acknowledge", "replica"}},
	}
}

func standalone(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		server := redistest.Start(t, directives...)
		return &store{url: func(int) string { return server.URL() }, server: func() *redistest.Server { return server }}
	}
}

// onSlowDisk has Redis wait for its disk most of the time.
func onSlowDisk(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		s := standalone(directives...)(t)
		server := s.server()
		server.Kill()
		server.SlowDisk(1900 * time.Millisecond) // Redis holds back for two seconds at most
		server.Restart()
		return s
	}
}

// linked has each node reach Redis by a link of its own, which can be harmed.
func linked(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		s := standalone(directives...)(t)
		address := s.server().Addr
		for range 3 {
			s.links = append(s.links, redistest.StartLink(t, address))
		}
		s.url = func(node int) string { return "redis://" + s.links[node].Addr }
		return s
	}
}

// onHost has Redis on a host of its own, whose cable can be pulled.
func onHost(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		host := redistest.StartHost(t)
		server := redistest.StartIn(host, directives...)
		return &store{url: func(int) string { return server.URL() }, server: func() *redistest.Server { return server }, host: host}
	}
}

func underSentinel(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		s := redistest.StartSentinel(t, 1, directives...)
		url := "redis+sentinel://" + s.Addrs[0] + "?master_name=" + s.MasterName + "&addr=" + strings.Join(s.Addrs[1:], "&addr=")
		return &store{url: func(int) string { return url }, server: s.Primary, sentinel: s}
	}
}

// splittable has the first node know one sentinel only, by a link that can be harmed.
func splittable(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		s := underSentinel(directives...)(t)
		all, link := s.url(0), redistest.StartLink(t, s.sentinel.Addrs[0])
		s.links = []*redistest.Link{link}
		s.url = func(node int) string {
			if node == 0 {
				return "redis+sentinel://" + link.Addr + "?master_name=" + s.sentinel.MasterName
			}
			return all
		}
		return s
	}
}

func inCluster(directives ...string) func(*testing.T) *store {
	return func(t *testing.T) *store {
		t.Helper()
		c := redistest.StartCluster(t, directives...)
		url := "redis+cluster://" + c.Addrs[0] + "?addr=" + strings.Join(c.Addrs[1:], "&addr=")
		return &store{url: func(int) string { return url }, server: func() *redistest.Server { return c.Master(partition) }, cluster: c}
	}
}

// partition is the hash tag of the one partition that there is.
const partition = "{p0}"
