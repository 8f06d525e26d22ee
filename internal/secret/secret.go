package config

import "log/slog"

// Secret is text that no log, error or printed configuration shows. string(s) is the text itself.
type Secret string

// String returns "(set)" or nothing.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(set)"
}

// GoString keeps the text out of %#v.
func (s Secret) GoString() string { return `config.Secret("` + s.String() + `")` }

// MarshalText keeps the text out of JSON and whatever else encodes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue keeps the text out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
