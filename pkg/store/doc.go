// Package store holds the node's connections: who is here, what each may see, and how far each has read.
//
// Connections live in shards. One goroutine owns all connections of a shard, without locks, and it alone may close them.
// Everything else speaks to a shard through its inbox. The methods of Store and Conn are safe for concurrent use and
// never block.
//
// The package is unstable in v0.
package store
