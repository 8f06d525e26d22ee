// Package backplanetest is the contract of package backplane as a test-suite: every engine passes Run. It also has Faulty,
// a backplane that fails on demand, for tests of what is built on one.
//
// The suite knows an engine by its port only. It makes up tenants that nobody else uses, so that engines may share a
// server, and waits for what has to happen, up to a deadline, so that an engine may be as slow as a network is.
//
// Each promise of the port has a file and a subtest of its name.
package backplanetest
