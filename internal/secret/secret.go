// Package secret has text that must not be shown.
package secret

import "log/slog"

// Text is text that no log, error or printed configuration shows. string(t) is the text itself.
type Text string

// String returns "(set)" or nothing.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return "(set)"
}

// GoString keeps the text out of %#v.
func (t Text) GoString() string { return `secret.Text("` + t.String() + `")` }

// MarshalText keeps the text out of JSON and whatever else encodes text.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue keeps the text out of logs.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
