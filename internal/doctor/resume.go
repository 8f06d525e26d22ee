package doctor

import (
	"fmt"
	"strings"
)

// resume: does who comes back go on where it was?
func (e *evidence) resume() Finding {
	f := Finding{Check: checkResume, Why: "a reader that comes back, to whichever node, is to miss nothing, and to be told of no gap"}
	if why := e.noStream(); why != "" {
		f.Level, f.Measured = Skipped, why
		return f
	}
	nodes := e.nodes()
	f.Figures = map[string]int64{"nodes": int64(len(nodes))}
	seen := "; nodes seen: " + strings.Join(nodes, ", ")
	for _, way := range []struct {
		record

		name string
	}{{e.byHeader, "Last-Event-ID"}, {e.byQuery, "lastEventId"}} {
		gap, told := way.find(kindGap)
		switch {
		case resumedWith(way.record) != passes:
			f.Level, f.Measured = Fault, "a reader that comes back with "+way.name+" is taken for a new one"
			if resumedWith(way.record) == unknown {
				f.Measured = "a reader that comes back with " + way.name + " has no hello"
			} else if way.name == "Last-Event-ID" {
				f.Cure = e.cursorCure()
			} else {
				f.Cure = e.queryCure()
			}
		case told && len(nodes) > 1:
			f.Level, f.Measured = Fault, fmt.Sprintf("a gap (%q) a moment after: the nodes do not share their history", gap.reason)
			f.Cure = shareCure()
		case told:
			f.Level, f.Measured = Warning, fmt.Sprintf("a gap (%q) a moment after", gap.reason)
		case !way.has(kindLive):
			f.Level, f.Measured = Warning, "a reader that comes back with "+way.name+" does not get live"
		default:
			continue
		}
		f.Measured += seen
		return f
	}
	f.Level, f.Measured = OK, "by Last-Event-ID and by lastEventId, live without a gap"+seen
	return f
}
