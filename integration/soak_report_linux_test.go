package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

const mebibyte = 1 << 20

// report writes the page and its picture: into the folder that is named, or where nobody finds them.
func (s *soak) report(before, after soakRest) {
	s.t.Helper()
	dir := reportDir()
	if dir == "" {
		dir = s.t.TempDir()
	}
	page := filepath.Join(dir, soakPages+".md")
	require.NoError(s.t, os.WriteFile(page, []byte(s.page(before, after)), 0o644))
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, soakPages+".svg"), []byte(s.picture()), 0o644))
	s.t.Logf("the report is %s", page)
}

// page is the report in Markdown.
func (s *soak) page(before, after soakRest) string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	linger := "as always"
	if s.unit != time.Minute {
		linger = "shortened for this test, since there is no setting"
	}
	write("# Soak\n\nWritten by `make soak`; do not edit. It is a long run in a short time: everything that expires does so again and again\n" +
		"while readers come and go and events are published. With the default of a day for logs, a hundred times would be three months.\n\n")
	write("**Verdict: %s.**\n\n", s.verdict())
	write("```sh\nmake soak SECONDS=%d\n```\n\n", int(s.total.Seconds()))
	write("Run on %s with %s on %s/%s, %d processors, which the nodes, the traffic and Redis %s share.\n\n",
		s.began.UTC().Format("2006-01-02"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), s.redisVersion())
	write("## What was run\n\nTwo nodes with authentication on one Redis, for %s seconds. The longest of the times below passed %d times.\n\n", number(s.total.Seconds()), int(s.total/s.unit))
	write("| what | time |\n|---|---|\n")
	write("| an event in its log (`retention.age`) | %v |\n", s.unit)
	write("| a reader's token | %v, for some visitors a third of it |\n", s.unit)
	write("| a stream (`stream.max_age`) | %v, each +/- 20 %% |\n", s.unit/2)
	write("| a relay that nobody needs any more, until it is given up | %v, %s |\n\n", s.unit/2, linger)
	write("%d steady readers read four targets each: they come back, with a new token when the old one is over, on one node and the\n"+
		"other. Beside them there are %d visitors a second, each of them a new user with a log of its own, who publish an event. Of ten\n"+
		"visitors four get it live and hang up, three are cut off before it and get it when they resume on the other node, one comes\n"+
		"with a ticket, one resets the connection unread, and one stays until its age or its token ends the stream. %d more events a\n"+
		"second are for the steady readers.\n\n", soakReaders, soakVisits, soakSteady)
	s.writeTraffic(write)
	s.writeMemory(write)
	s.writeRest(write, before, after)
	return b.String()
}

func (s *soak) writeTraffic(write func(string, ...any)) {
	c := &s.counts
	write("## Traffic\n\n| | |\n|---|---:|\n")
	for _, row := range []struct {
		what  string
		count int64
	}{
		{"connects", c.connects.Load()},
		{"connects with a ticket", c.tickets.Load()},
		{"resumed with a last event id", c.resumed.Load()},
		{"hung up by a reset", c.resets.Load()},
		{"streams ended by their age", c.endedByAge.Load()},
		{"streams ended by the expiry of the token", c.endedByExpiry.Load()},
		{"events acknowledged", c.acknowledged.Load()},
		{"publishes refused, and published again", c.refused.Load()},
		{"events owed to steady readers", c.owed.Load()},
		{"of them delivered", c.delivered.Load()},
		{"delivered twice", c.doubled.Load()},
		{"told to be in a gap, because the reader was away for longer than logs are kept", c.told.Load()},
		{"**missed**", c.missed.Load()},
	} {
		write("| %s | %s |\n", row.what, number(float64(row.count)))
	}
	for i, used := range s.cpu {
		write("| CPU of node %d | %.1f %% of one processor |\n", i+1, 100*used/s.total.Seconds())
	}
	write("\n")
}

func (s *soak) writeMemory(write func(string, ...any)) {
	write("## Memory\n\n![Memory of the nodes, connections and keys over time](%s.svg)\n\n", soakPages)
	write("Memory is what a process has in RAM, sampled every %v; the heap is what is in use after a garbage collection, which every\n"+
		"sample asks for. Medians:\n\n", max(s.total/600, 200*time.Millisecond))
	write("| node | first tenth | last tenth | change |\n|---|---:|---:|---:|\n")
	for i := range s.nodes {
		first, last := s.tenths(i)
		write("| %d | %s MiB | %s MiB | %+.1f %% |\n", i+1, mib(first), mib(last), 100*float64(last-first)/float64(first))
	}
	write("\nThe first tenth begins when everything has expired twice. ")
	if s.total >= soakLong {
		write("More than %d %% of growth would fail the test.\n\n", soakGrowth)
	} else {
		write("In a run of less than %v growth is not judged.\n\n", soakLong)
	}
	write("| s | memory, MiB | heap, MiB | goroutines | open files | connections | keys | Redis, MiB | its clients |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	rows := min(20, len(s.samples))
	for i := range rows {
		m := s.samples[(i+1)*len(s.samples)/rows-1]
		a, b := m.nodes[0], m.nodes[1]
		write("| %s | %s, %s | %s, %s | %d, %d | %d, %d | %d, %d | %s | %s | %d |\n", number(m.after.Seconds()), mib(a.memory), mib(b.memory), mib(a.heap), mib(b.heap),
			a.goroutines, b.goroutines, a.descriptors, b.descriptors, m.connections[0], m.connections[1], number(float64(m.keys)), mib(m.redisMemory), m.clients)
	}
	write("\n")
}

func (s *soak) writeRest(write func(string, ...any), before, after soakRest) {
	write("## At rest\n\nBefore the traffic, but behind a little of it, and after it: when all readers have gone, all logs have expired and all relays have\n" +
		"been given up. Memory is not judged here: what a process has once had it gives back slowly.\n\n")
	write("| | before | after |\n|---|---:|---:|\n")
	for i, b := range before.nodes {
		a := after.nodes[i]
		write("| goroutines of node %d | %d | %d |\n", i+1, b.goroutines, a.goroutines)
		write("| heap of node %d | %s MiB | %s MiB |\n", i+1, mib(b.heap), mib(a.heap))
		write("| memory of node %d | %s MiB | %s MiB |\n", i+1, mib(b.memory), mib(a.memory))
	}
	write("| open files of both, without connections to Redis | %d | %d |\n", before.files, after.files)
	write("| connections to Redis for commands, %d at most | %d | %d |\n", soakPool*len(s.nodes), before.pooled, after.pooled)
	write("| connections to Redis that are subscribed | %d | %d |\n", before.subscribed, after.subscribed)
	write("| channels with subscribers | %d | %d |\n", len(before.channels), len(after.channels))
	write("| keys | %d | %d |\n", len(before.keys), len(after.keys))
	write("| memory of Redis | %s MiB | %s MiB |\n\n", mib(before.redisMemory), mib(after.redisMemory))
	write("The keys that stay:\n\n")
	for _, key := range after.keys {
		if size, counted := after.fields[key]; counted {
			write("* `%s`, of %d fields or entries\n", key, size)
		} else {
			write("* `%s`\n", key)
		}
	}
}

func (s *soak) redisVersion() string {
	_, after, _ := strings.Cut(fmt.Sprint(s.ask("INFO", "server")), "redis_version:")
	return strings.Fields(after)[0]
}

func mib(bytes int) string { return strconv.FormatFloat(float64(bytes)/mebibyte, 'f', 1, 64) }

// number formats a count for people: 1,234,567.
func number(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
