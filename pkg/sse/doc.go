// Package sse is the wire: it encodes and decodes event streams (WHATWG HTML, section 9.2, "server-sent events") and writes
// them to sockets.
//
// AppendMessage, Frame, Controls and Hello encode; Decoder and Reader decode. Hijacked and Response are streams: one
// goroutine hands bytes over and never waits, another one, in Serve, writes them.
//
// A Frame is safe for concurrent use. A Decoder or Reader belongs to one goroutine. A stream has two users, see Hijacked.
package sse
