// Package broker is the node between its backplane and its connections: it publishes, subscribes, lets readers catch up,
// fans out and drains. It knows no HTTP and no engine.
//
// One mechanism repairs everything. The logs are the truth, the relay is a fast path that may fail: a new reader, one that
// comes back, a slow one, a lost relay connection, a dropped message all send the connections concerned to the logs, to read
// on from their own position. The methods of Broker are safe for concurrent use.
//
// The package is unstable in v0.
package broker
