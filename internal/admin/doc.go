// Package admin answers, at any node, what is asked about all of them, and does on all of them what one is told: list
// connections, end streams, log somebody out, refuse a token. Nodes ask and answer each other by the backplane's signals.
//
// All of it is safe for concurrent use.
package admin
