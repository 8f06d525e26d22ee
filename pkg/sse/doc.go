// Package sse is the wire: it encodes and decodes event streams (WHATWG HTML, section 9.2, "server-sent events") and writes
// them to sockets.
//
// AppendMessage, Frame, Controls and Hello encode; Decoder and Reader decode. Detached, Hijacked and Response are streams: one
// goroutine hands bytes over and never waits. Sockets takes connections over for Detached ones, which it looks after; the bytes
// of the others are written by another goroutine, in Serve.
//
// Frame and Sockets are safe for concurrent use. A Decoder or Reader belongs to one goroutine. A stream has two users, see
// Detached and Hijacked.
package sse
