package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteJSON writes the report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	encode := json.NewEncoder(w)
	encode.SetIndent("", "  ")
	encode.SetEscapeHTML(false)
	if err := encode.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s %-14s %s\n", f.Level, f.Check, f.Measured)
		const margin = "                        "
		fmt.Fprintf(&b, "%swhy: %s\n", margin, f.Why)
		for _, c := range f.Cure {
			fmt.Fprintf(&b, "%scure, %s: %s  %s  (%s)\n", margin, c.For, c.Do, c.Line, c.Where)
		}
	}
	fmt.Fprintf(&b, "faults %d, warnings %d, ok %d, skipped %d\n", r.count(Fault), r.count(Warning), r.count(OK), r.count(Skipped))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
