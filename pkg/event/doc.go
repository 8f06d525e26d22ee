// Package event holds the values that every other package speaks in: events, their targets, the names of logs and the
// positions in them.
//
// The values cannot be wrong: their fields are unexported, and the parsers are the only way to make one. Code that holds
// a non-zero value need not check it again. All of them are immutable and safe for concurrent use.
package event
