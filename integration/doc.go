// Package integration holds the tests of real processes: nodes built from cmd/pushstreamd, readers with other people's
// clients, a browser. It has no code of its own. The tests need what `make setup` installs.
package integration
