package redistest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	sentinels  = 3
	masterName = "primary"
	// downAfter is how many milliseconds of silence the sentinels take for death. A sentinel connects to a server at most once a
	// second: with no more than that they take a new primary for dead where the first attempt failed, and fail over again.
	downAfter = 2000
)

// Sentinel is a primary with replicas that three sentinels watch over.
type Sentinel struct {
	// MasterName is the name by which the sentinels know the primary.
	MasterName string

	// Addrs are the addresses of the sentinels.
	Addrs []string

	// Sentinels are the sentinels, and Servers the primary and its replicas, in the order of their start.
	Sentinels, Servers []*Server

	t testing.TB
}

// StartSentinel starts a primary, replicas and three sentinels, and waits until they all know each other. The sentinels take
// a server for dead after two seconds. settings are for the primary and its replicas.
func StartSentinel(tb testing.TB, replicas int, settings ...string) *Sentinel {
	tb.Helper()
	s := &Sentinel{MasterName: masterName, t: tb}
	s.startServers(replicas, settings)
	s.startSentinels()
	return s
}

func (s *Sentinel) startServers(replicas int, settings []string) {
	s.t.Helper()
	primary := startLocal(s.t, replicated(settings))
	s.Servers = append(s.Servers, primary)
	for range replicas {
		replica := startLocal(s.t, append(replicated(settings), fmt.Sprintf("replicaof 127.0.0.1 %d", primary.local.port)))
		s.Servers = append(s.Servers, replica)
	}
	for _, replica := range s.Servers[1:] {
		await(s.t, "replica in sync", func() error { return inSync(replica, s.Servers) })
	}
}

func (s *Sentinel) startSentinels() {
	s.t.Helper()
	primary := s.Servers[0].local
	for range sentinels {
		settings := []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", masterName, primary.port, sentinels/2+1),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", masterName, downAfter),
			"sentinel failover-timeout " + masterName + " 3000",
		}
		if primary.secret != "" {
			settings = append(settings, "sentinel auth-pass "+masterName+" "+primary.secret)
		}
		one := prepare(s.t, nil, settings)
		one.local.args = []string{"--sentinel"}
		one.Restart()
		s.Sentinels = append(s.Sentinels, one)
		s.Addrs = append(s.Addrs, one.Addr)
	}
	// They find each other by what they publish every two seconds.
	s.everySentinel("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 100)
	for _, one := range s.Sentinels {
		await(s.t, "sentinel that knows all", func() error { return s.knowsAll(one) })
	}
	s.everySentinel("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 2000)
}

func (s *Sentinel) everySentinel(args ...any) {
	s.t.Helper()
	for _, one := range s.Sentinels {
		one.Do(args...)
	}
}

// knowsAll returns an error unless a sentinel knows all others and all replicas.
func (s *Sentinel) knowsAll(one *Server) error {
	for what, want := range map[string]int{"REPLICAS": len(s.Servers) - 1, "SENTINELS": len(s.Sentinels) - 1} {
		answer, err := one.try("SENTINEL", what, masterName)
		if err != nil {
			return err
		}
		if known, ok := answer.([]any); !ok || len(known) != want {
			return fmt.Errorf("%s knows %d of %d %s", one.Addr, len(known), want, what)
		}
	}
	_, err := one.try("SENTINEL", "CKQUORUM", masterName)
	return err
}

// Primary returns the server that the sentinels name and that is up and says so itself. It waits for a failover that is
// under way.
func (s *Sentinel) Primary() (primary *Server) {
	s.t.Helper()
	await(s.t, "primary", func() (err error) {
		primary, err = s.primary()
		return err
	})
	return primary
}

func (s *Sentinel) primary() (*Server, error) {
	addr, err := s.named()
	if err != nil {
		return nil, err
	}
	for _, server := range s.Servers {
		if server.Addr != addr {
			continue
		}
		if !server.up() {
			return nil, fmt.Errorf("the sentinels name %s, which is down", addr)
		}
		role, err := server.info("replication", "role")
		if err == nil && role != "master" {
			err = fmt.Errorf("the sentinels name %s, which has the role %q", addr, role)
		}
		return server, err
	}
	return nil, fmt.Errorf("the sentinels name %s, which none of the servers is", addr)
}

// named returns the address that all sentinels name that are up.
func (s *Sentinel) named() (addr string, err error) {
	for _, one := range s.Sentinels {
		if !one.up() {
			continue
		}
		answer, err := one.try("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName)
		if err != nil {
			return "", err
		}
		pair, ok := answer.([]any)
		if !ok || len(pair) != 2 {
			return "", fmt.Errorf("sentinel %s knows no address: %v", one.Addr, answer)
		}
		next := fmt.Sprintf("%v:%v", pair[0], pair[1])
		if addr != "" && addr != next {
			return "", fmt.Errorf("some sentinels name %s and some %s", addr, next)
		}
		addr = next
	}
	if addr == "" {
		return "", errors.New("no sentinel is up")
	}
	return addr, nil
}

// Replica returns a replica that is up and in sync. It waits until there is one.
func (s *Sentinel) Replica() (replica *Server) {
	s.t.Helper()
	await(s.t, "replica in sync", func() error {
		errs := []error{errors.New("no server that is up says so")}
		for _, server := range s.Servers {
			if !server.up() {
				continue
			}
			err := inSync(server, s.Servers)
			if err == nil {
				replica = server
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	return replica
}

// Failover makes the sentinels promote a replica, and waits until they all name it. It returns the new primary. The old one
// goes on as a primary, with its connections, for the ten seconds that the sentinels take to demote it.
func (s *Sentinel) Failover() *Server {
	s.t.Helper()
	before := s.Primary()
	await(s.t, "failover", func() error {
		_, err := s.anySentinel().try("SENTINEL", "FAILOVER", masterName)
		return err
	})
	var after *Server
	await(s.t, "new primary", func() (err error) {
		after, err = s.primary()
		if err == nil && after == before {
			err = fmt.Errorf("the primary is still %s", after.Addr)
		}
		return err
	})
	return after
}

func (s *Sentinel) anySentinel() *Server {
	s.t.Helper()
	for _, one := range s.Sentinels {
		if one.up() {
			return one
		}
	}
	require.FailNow(s.t, "no sentinel is up")
	return nil
}
