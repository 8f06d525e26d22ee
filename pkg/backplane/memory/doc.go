// Package memory is the embedded engine: a backplane inside one process, for one node and without any configuration.
//
// It has one partition and one timeline, which begin with the engine and end with it: what it kept is lost with the
// process, and readers that come back to another engine are told so.
//
// Everything that may grow has a bound: a log by RetentionLength, all logs together by RetentionBytes, idle logs by
// RetentionAge, keys by KeyAge and tickets by their own age. None of the bounds needs a Run.
//
// One mutex guards the partition. The sink is called while it is held, by whoever publishes, so that the order of the
// relay is the order of the appends: there is no queue in between that could drop, delay or reorder.
//
// The package is unstable in v0.
package memory
