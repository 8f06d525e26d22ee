package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d of %d readers of %d targets, %.3g s", r.Connected, r.Readers, r.Targets, r.Seconds)
	if r.Interrupted {
		text.WriteString(", interrupted")
	}
	text.WriteString("\n\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) {
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")+"\t") //nolint:errcheck // a Builder takes everything
	}
	row("", "count", "a second", "p50", "p99", "p99.9", "max")
	for _, named := range []struct {
		name string
		of   Series
	}{{"connects", r.Connects}, {"acknowledged", r.Acknowledged}, {"deliveries", r.Deliveries}} {
		s := named.of
		row(named.name, strconv.FormatUint(s.Count, 10), number(s.PerSecond), number(s.P50)+" ms", number(s.P99)+" ms", number(s.P999)+" ms", number(s.Max)+" ms")
	}
	_ = table.Flush() //nolint:errcheck // a Builder takes everything
	text.WriteString("\n")
	for _, c := range []struct {
		name  string
		value uint64
	}{
		{"lost", r.Lost},
		{"doubled", r.Doubled},
		{"out of order", r.OutOfOrder},
		{"gaps told", uint64(r.Gaps)},              //nolint:gosec // a count
		{"skipped in gaps", r.Skipped},             // deliveries
		{"not acknowledged", r.Doubtful},           // events
		{"reconnects", uint64(r.Reconnects)},       //nolint:gosec // a count
		{"connections failed", uint64(r.Failures)}, //nolint:gosec // a count
		{"told not to come back", uint64(r.Ended)}, //nolint:gosec // a count
	} {
		fmt.Fprintf(&text, "%-21s %d\n", c.name, c.value)
	}
	for _, why := range slices.Sorted(maps.Keys(r.Reasons)) {
		fmt.Fprintf(&text, "  %d times: %s\n", r.Reasons[why], strconv.QuoteToGraphic(why))
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// number returns a number with three digits that count, or whole.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
