package bench

import (
	"errors"
	"io"
	"syscall"
)

// errSilent says: nothing came for so long that the connection is taken for dead.
var errSilent = errors.New("nothing came in time")

// explain returns why a connection is over, in a few words that are the same for all readers that it happens to, with what to do
// where it is this machine that is at its end.
func explain(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "the stream ended"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no local port is left: widen net.ipv4.ip_local_port_range, or give more addresses of the deployment with --url"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no more files may be open: raise the limit (ulimit -n), or give fewer --readers"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	}
	return err.Error()
}
