// Package auth says who a request speaks for: its Principal, and what that may read and publish. All of it is safe for
// concurrent use.
package auth
