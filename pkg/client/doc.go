// Package client publishes events to PushStream and subscribes to them, from Go. Its API is stable.
//
// A Client talks to one deployment: any node, or the balancer in front of them. Publish and PublishBatch send events and try
// again what may pass, always under a key, so that nothing is stored twice. Subscribe opens a Stream, which comes back to any
// node after every end and goes on where it was. A slow consumer slows the stream down; nothing is dropped.
//
// A Client is safe for concurrent use. A Stream has one consumer; its other methods are safe for concurrent use.
package client
