package backplanetest

import (
	"strings"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

func tenantCases() []testCase {
	return []testCase{
		{name: "an event stays with its tenant", test: tenantsApart},
		{name: "names that look alike are different", test: tenantNames},
	}
}

func tenantsApart(s *scene) {
	mine := s.topic("a")
	other := event.LogName{Tenant: tenant(s.t, s.tenant.String()+"2"), Target: mine.Target}
	start, err := s.Backplane.Head(s.t.Context(), s.partitionOf(other.Tenant))
	s.check(err)
	head := s.join(mine)
	s.start()
	theirs := s.put(other)
	ours := s.put(mine)
	s.awaitAll([]stored{ours})
	s.expect(len(s.sink.of(other)) == 0, "an event of a tenant that nobody joined was passed on")
	s.same("relay", s.sink.of(mine), []stored{ours})
	s.same("their log", s.replay(whole(other, start, theirs.position))[0].Entries, []stored{theirs})
	s.same("our log", s.since(mine, head).Entries, []stored{ours})
}

// tenantNames gives one event to each of many logs whose names are all but equal, in case, in separators, in what stands
// for what, and in what other software takes for a pattern.
func tenantNames(s *scene) {
	name := s.tenant.String()
	var logs []event.LogName
	for _, t := range []string{name, strings.ToLower(name), name + ".a", name + ".a.b", name + "-a", name + "_a", name + "."} {
		for _, target := range []string{
			"all", "topic:all", "user:all", "topic:a", "user:a", "session:a", "topic:A", "topic:a.b", "topic:.a", "topic:a:b",
			"topic:a/b", "topic:user:a", "topic:" + name + "/topic:a", "topic:%61", "topic:a%3Ab", "topic:[a]", "topic:a?",
			"topic:p0:a", "topic:\\a", "topic:\"a\"", "topic:\u00e9", "topic:e\u0301", "topic:" + strings.Repeat("\u00e9", event.MaxTargetID/2),
			"topic:" + strings.Repeat("\u00e9", event.MaxTargetID/2-1),
		} {
			parsed, err := event.ParseTarget(target)
			s.check(err)
			logs = append(logs, event.LogName{Tenant: tenant(s.t, t), Target: parsed})
		}
	}
	starts := make([]event.Position, len(logs))
	for i, log := range logs {
		var err error
		starts[i], err = s.Backplane.Join(s.t.Context(), []event.LogName{log})
		s.check(err)
	}
	stop := s.run(s.sink)
	for p := range s.Capabilities.Partitions {
		if !s.sink.await(func(calls []call) bool { return count(calls, callVouched, backplane.Partition(p)) > 0 }) {
			s.t.Fatalf("partition %d is not vouched for", p)
		}
	}
	events := make([]stored, len(logs))
	for i, log := range logs {
		p := s.keyed("the same key", log)
		events[i] = stored{log, s.publish(p)[0], p.Event}
	}
	s.awaitAll(events)
	for i, log := range logs {
		s.same("relay of "+log.String(), s.sink.of(log), events[i:i+1])
		head, err := s.Backplane.Head(s.t.Context(), s.partitionOf(log.Tenant))
		s.check(err)
		s.same("log of "+log.String(), s.replay(whole(log, starts[i], head))[0].Entries, events[i:i+1])
	}
	s.check(stop())
}
