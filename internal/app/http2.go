package app

import (
	"net/http"
	"time"
)

// http2Limits returns what one connection of HTTP/2 may take. Go's own values are for a handful of connections: a frame of
// 1 MiB each, and the like of it for bodies that nobody reads, would be 20 GB for as many as a node lets in.
func http2Limits() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          250,      // requests at a time; a proxy opens more connections for more
		MaxReadFrameSize:              16 << 10, // the least (RFC 9113, section 6.5.2)
		MaxReceiveBufferPerConnection: 256 << 10,
		MaxReceiveBufferPerStream:     128 << 10,
		// A peer that sends nothing is asked whether it is still there. One in the midst of a request's headers cannot answer,
		// which bounds how long those may take.
		SendPingTimeout: 20 * time.Second,
		PingTimeout:     10 * time.Second,
	}
}
