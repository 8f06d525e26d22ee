// Package metrics counts what a node does, for Prometheus. Metrics implements the small interfaces that the other packages
// declare; what each metric means, and what to do when it moves, is in docs/reference/metrics.md.
//
// Metrics is safe for concurrent use. What happens for every event allocates nothing and takes no lock.
package metrics
