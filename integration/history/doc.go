// Package history keeps a record of what publishers and readers saw of a deployment, and judges by it whether PushStream's
// promise was kept: an acknowledged event reaches every subscriber of its target, in order, at least once, or the subscriber
// is told of a gap before any newer event passes it.
//
// The record is made outside of the nodes, from answers to publishes and from blocks of streams, so it shares no code with
// what it judges except the form of positions. Publishers and readers may record at the same time; Judge is for when they
// have stopped.
package history
