// Package bench puts load on a deployment of PushStream, from outside, as its users would: readers hold streams, publishers post
// events, and each event is followed to every reader that has to get it.
//
// Readers are divided into shards. What a shard has is guarded by its mutex; on Linux one goroutine serves all plain
// connections of a shard, elsewhere and with TLS each reader has its own. Run is safe for concurrent use: runs share nothing.
package bench
