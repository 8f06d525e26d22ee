// Package app is the composition root: it knows all parts of a node, and in which order they begin and end. New wires,
// Start serves, Stop drains, Run is all three. An App is used by one goroutine.
package app
