package redistest

import (
	"fmt"
	"strconv"
	"strings"
)

// replicated returns the settings of a server that is, or may become, a replica.
func replicated(settings []string) []string {
	all := []string{"repl-diskless-sync-delay 0"} // else every first synchronisation takes five seconds
	if secret := value(settings, "requirepass"); secret != "" {
		all = append(all, "masterauth "+secret)
	}
	return append(all, settings...)
}

// inSync returns an error unless a server is a replica that has got all from its primary, which is one of the servers, and
// goes on getting what is written there.
func inSync(replica *Server, servers []*Server) error {
	role, err := replica.info("replication", "role")
	if err != nil {
		return err
	}
	link, err := replica.info("replication", "master_link_status")
	if err != nil {
		return err
	}
	if role != "slave" || link != "up" {
		return fmt.Errorf("%s has the role %q and the link to its primary is %q", replica.Addr, role, link)
	}
	port, err := replica.info("replication", "master_port")
	if err != nil {
		return err
	}
	for _, server := range servers {
		if server.up() && strconv.Itoa(server.local.port) == port {
			return feeds(server, replica)
		}
	}
	return fmt.Errorf("the primary of %s is not up", replica.Addr)
}

// feeds returns an error unless a primary sends a replica what is written. That may begin later than the replica thinks.
func feeds(primary, replica *Server) error {
	answer, err := primary.try("INFO", "replication")
	if err == nil && !strings.Contains(fmt.Sprint(answer), fmt.Sprintf("port=%d,state=online", replica.local.port)) {
		err = fmt.Errorf("%s does not send to %s yet:\n%v", primary.Addr, replica.Addr, answer)
	}
	return err
}
