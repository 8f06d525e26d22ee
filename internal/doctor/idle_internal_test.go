package doctor

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
)

func TestIdleTimeout(t *testing.T) {
	const cure = "proxy_read_timeout 60s;"
	cut := func(err error, until int, pings ...int) func(*evidence) {
		return func(e *evidence) {
			e.idle = streamOf(until, "none", kindPing, pings...)
			e.idle.ended, e.idle.err = true, err
		}
	}
	judge(t, (*evidence).idleTimeout, map[string]sick{
		"end":          {cut(nil, 5003), Fault, "cut after 5s of silence, as if it were over (FIN); the heartbeat is 10s", cure},
		"middle":       {cut(fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 5003), Fault, "in the middle of the answer", cure},
		"reset":        {cut(fmt.Errorf("read: %w", syscall.ECONNRESET), 9000), Fault, "by a reset (RST)", cure},
		"HTTP/2 reset": {cut(errors.New("stream error: stream ID 1; CANCEL"), 9000), Fault, "by a reset of the HTTP/2 stream", cure},
		"in all":       {cut(nil, 12_000, 10_003), Fault, "cut after 12s in all, 2s after the last block", "write 0"},
		"at the ping":  {cut(nil, 20_003, 10_003), Fault, "cut after 10s of silence", cure},
		"forgotten":    {func(e *evidence) { e.idle = streamOf(23_000, "none", kindPing) }, Fault, "nothing for 23s, with a heartbeat of 10s, and no end", cure},
		"short":        {func(e *evidence) { e.idle = streamOf(15_000, "none", kindPing, 10_003) }, Skipped, "less than two heartbeats", ""},
		"goodbye":      {func(e *evidence) { e.idle.blocks[3].kind = kindBye }, Warning, "the node itself ended the stream", ""},
		"buffered":     {func(e *evidence) { e.idle.blocks = nil }, Skipped, "see buffering", ""},
		"long heartbeat": {func(e *evidence) {
			cut(nil, 5003)(e)
			e.idle.blocks[0].hello.HeartbeatMS = 60_000
		}, Fault, "the heartbeat is 1m0s", "proxy_read_timeout 240s;"},
	})
}
