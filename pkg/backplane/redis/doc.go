// Package redis is the engine for any number of nodes: a backplane on Redis or Valkey 7 and later, standalone, behind
// Sentinel, or as a Cluster.
//
// The logs are streams, the relay is pub/sub, and a library of functions (the folder functions) does in one call what has to
// happen as one: give positions, append, remember keys, relay. Each call also sees whether the server has a history of its
// own: after a restart, a failover or the move of a slot it closes the partition's timeline and opens another.
//
// Nothing here believes a connection. A canary, a function call that comes back over the relay, says every half second that
// the relay works, that it is connected to the server which executes the functions, and up to where everything has been
// passed on. Without it for three seconds the relay is in doubt, and is connected afresh.
//
// An Engine is safe for concurrent use. Each partition has one goroutine that reads its relay and alone calls the sink.
//
// The package is unstable in v0.
package redis
