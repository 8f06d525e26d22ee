//go:build !linux || portable

package sse

import (
	"context"
	"net"
)

// poller is none: every connection is served by goroutines. The build tag portable chooses it on Linux too.
type poller struct{}

func newPoller(Config) *poller { return &poller{} }

func (*poller) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*poller) take(net.Conn, []byte) (Detached, error) { return nil, errNotPolled }
