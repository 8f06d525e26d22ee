// Package httpapi is the node's HTTP: one file for each endpoint, and one function that turns errors into answers. Its
// handlers are safe for concurrent use.
package httpapi
