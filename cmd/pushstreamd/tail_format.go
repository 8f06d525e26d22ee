package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/pushstream/pushstream/pkg/client"
)

// formatPretty returns a function that writes an event for people.
func formatPretty(colours bool) func(client.Event) (string, error) {
	dim, cyan, bold, off := "", "", "", ""
	if colours {
		dim, cyan, bold, off = "\x1b[2m", "\x1b[36m", "\x1b[1m", "\x1b[0m"
	}
	return func(e client.Event) (string, error) {
		at := strings.Repeat("-", len("15:04:05.000"))
		if !e.Time.IsZero() {
			at = e.Time.Local().Format("15:04:05.000")
		}
		return fmt.Sprintf("%s%s%s %s%s%s %s%s%s %s\n", dim, at, off, cyan, terminal(e.Target), off, bold, terminal(e.Type), off, terminal(string(e.Data))), nil
	}
}

// formatJSON writes an event as the node's envelope, on one line.
func formatJSON(e client.Event) (string, error) {
	envelope := struct {
		ID     string          `json:"id,omitempty"`
		Type   string          `json:"type"`
		Target string          `json:"target"`
		Data   json.RawMessage `json:"data"`
		Time   *time.Time      `json:"time,omitempty"`
		Meta   json.RawMessage `json:"meta,omitempty"`
	}{ID: e.ID, Type: e.Type, Target: e.Target, Data: e.Data, Meta: e.Meta}
	if !e.Time.IsZero() {
		envelope.Time = &e.Time
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(envelope); err != nil {
		return "", fmt.Errorf("write event: %w", err)
	}
	return terminal(strings.TrimSuffix(text.String(), "\n")) + "\n", nil
}

// terminal returns text in a form that a terminal only shows: what is no letter, sign or space is escaped as in JSON, where
// it means the same as before. A tab stands in JSON only where a space may, too.
func terminal(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
