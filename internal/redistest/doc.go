// Package redistest starts real Redis servers for tests and does harm to them on request: it kills, freezes, restarts and
// demotes them, moves their slots, shifts their clocks, slows their disks, and cuts the links to them.
//
// A server is a process of this machine on a loopback port, in a folder that goes with the test. A process comes before a
// container, because it is there in 10 ms, where a container takes seconds, and because harm is a signal to it.
//
//   - PUSHSTREAM_TEST_REDIS_SERVER names the program, such as valkey-server; otherwise it is redis-server from PATH.
//   - PUSHSTREAM_TEST_REDIS_URL names a server that runs already. Shared then gives that one.
//   - Where there is no program and a Docker engine answers, Start and Shared run the image redis:7. Such a server cannot be
//     harmed.
//   - Where there is nothing at all the test fails and says what to do. No test is ever skipped.
//
// Harm to a connection comes in two forms. A Link is a relay of this process in front of a server; it needs nothing, and can
// delay and reset. A Host is a network namespace in which servers, nodes and readers run, on a cable that loses packets: there
// TCP is on its own, as it is behind a dead switch. It needs Linux and root.
//
// What is started stops with its test. All functions and methods are for the goroutine of the test that they were given:
// they stop the test when they fail.
package redistest
