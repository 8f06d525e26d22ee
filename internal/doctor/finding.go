package doctor

import "slices"

// Level says what a finding means.
type Level string

// The levels.
const (
	// OK is as it should be.
	OK Level = "ok"
	// Skipped could not be looked at. Measured says why.
	Skipped Level = "skipped"
	// Warning works, but not for everybody, or not for ever.
	Warning Level = "warning"
	// Fault keeps events from readers, or readers from the node.
	Fault Level = "fault"
)

// Names of the checks, in their order.
const (
	checkReach       = "reach"
	checkTLS         = "tls"
	checkHTTPVersion = "http_version"
	checkAnswer      = "answer"
	checkBuffering   = "buffering"
	checkCompression = "compression"
	checkIdle        = "idle"
	checkLimits      = "header_limits"
	checkHeaders     = "headers"
	checkCORS        = "cors"
	checkResume      = "resume"
)

// Finding is what one check found.
type Finding struct {
	// Check is its name. Names do not change.
	Check string `json:"check"`
	// Level says what it means.
	Level Level `json:"level"`
	// Measured is what was seen, for people.
	Measured string `json:"measured"`
	// Figures are the numbers of it, for programs; what there is depends on the check.
	Figures map[string]int64 `json:"figures,omitempty"`
	// Why says what it matters for.
	Why string `json:"why"`
	// Cure is what to change: one for each program that it may be.
	Cure []Cure `json:"cure,omitempty"`
}

// Cure is one line of somebody's configuration.
type Cure struct {
	// For is the program whose configuration it is: nginx, haproxy, caddy, pushstream; doctor for its own command line.
	For string `json:"for"`
	// Do is "set" or "remove".
	Do string `json:"do"`
	// Line is the line as it stands in the file.
	Line string `json:"line"`
	// Where says in which part of it.
	Where string `json:"where"`
}

// Report is all that was found.
type Report struct {
	// Version is that of this form: 1.
	Version int `json:"version"`
	// URL is what was asked.
	URL string `json:"url"`
	// Reached says that a node, or at least its proxy, has answered. Without it the other checks mean nothing.
	Reached bool `json:"reached"`
	// Refused says that the node wants another credential for a stream, so there was little to look at. It is no fault of
	// the path.
	Refused bool `json:"refused"`
	// Proxies are who has named itself on the way.
	Proxies []string `json:"proxies"`
	// Nodes are the names of the nodes that streams came from.
	Nodes []string `json:"nodes"`
	// Level is the worst of the findings.
	Level Level `json:"level"`
	// Findings has one finding for each check, always in the same order.
	Findings []Finding `json:"findings"`
}

// Finding returns the finding of a check by its name.
func (r Report) Finding(check string) (f Finding, found bool) {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == check })
	if i < 0 {
		return Finding{}, false
	}
	return r.Findings[i], true
}

// count returns how many findings have a level.
func (r Report) count(level Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// worst returns the worst level of findings: one fault outweighs all, and what was skipped weighs nothing.
func worst(findings []Finding) Level {
	level := OK
	for _, f := range findings {
		if f.Level == Fault {
			return Fault
		}
		if f.Level == Warning {
			level = Warning
		}
	}
	return level
}
