package redis

import (
	"context"
	"net"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// DialRelay has the connections of the relay made by dial, so that a test can do harm to these alone.
func (e *Engine) DialRelay(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	e.dialRelay = dial
}

// SetVersion makes the engine that of another release.
func (e *Engine) SetVersion(v string) { e.functions = functionsOf(v) }

// Channel returns the name of a log's key, and of its channel.
func (e *Engine) Channel(log event.LogName) string { return e.partitionOf(log.Tenant).names.log(log) }

// ParseMessage is parseMessage.
func ParseMessage(log event.LogName, text string) (backplane.Entry, error) {
	return parseMessage(log, text)
}

// ParseEntry is parseEntry, in a history of which ends and present tell.
func ParseEntry(log event.LogName, ends, present string, answer any) (backplane.Entry, error) {
	history, err := parseTimelines(ends, present)
	if err != nil {
		return backplane.Entry{}, err
	}
	return parseEntry(log, history, answer)
}

// ParseIngest is parseIngest.
func ParseIngest(values map[string]any) (backplane.Publication, error) {
	return parseIngest(goredis.XMessage{ID: "1-0", Values: values})
}
