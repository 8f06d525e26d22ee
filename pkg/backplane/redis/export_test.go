package redis

import (
	"context"
	"net"
)

// DialRelay has the connections of the relay made by dial, so that a test can do harm to these alone.
func (e *Engine) DialRelay(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	e.dialRelay = dial
}
