// Package wirecorpus reads the wire corpus for tests: testdata/sse, where its format is described.
package wirecorpus

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DecodeCase is a case of decode.json.
type DecodeCase struct {
	Name        string    `json:"name"`
	Resume      string    `json:"resume"`
	Limit       *int      `json:"limit"`
	Stream      Text      `json:"stream"`
	Messages    []Message `json:"messages"`
	LastEventID string    `json:"last_event_id"`
	RetryMS     *int64    `json:"retry_ms"`
	Error       string    `json:"error"`
}

// Message is what a script sees of one.
type Message struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data Text   `json:"data"`
}

// Text is a string, which the corpus may have in parts.
type Text string

// UnmarshalJSON joins the parts.
func (x *Text) UnmarshalJSON(b []byte) error {
	var whole string
	if json.Unmarshal(b, &whole) == nil {
		*x = Text(whole)
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return fmt.Errorf("a text is a string or an array: %w", err)
	}
	var joined strings.Builder
	for _, raw := range parts {
		if json.Unmarshal(raw, &whole) == nil {
			joined.WriteString(whole)
			continue
		}
		var part struct {
			Hex    string `json:"hex"`
			Repeat string `json:"repeat"`
			Times  int    `json:"times"`
		}
		if err := strict(raw, &part); err != nil {
			return err
		}
		decoded, err := hex.DecodeString(part.Hex)
		if err != nil {
			return fmt.Errorf("hex: %w", err)
		}
		joined.Write(decoded)
		joined.WriteString(strings.Repeat(part.Repeat, part.Times))
	}
	*x = Text(joined.String())
	return nil
}

// Read returns the cases of a file.
func Read[C any](tb testing.TB, path string) []C {
	tb.Helper()
	b, err := os.ReadFile(path)
	require.NoError(tb, err)
	var cases []C
	require.NoError(tb, strict(b, &cases))
	require.NotEmpty(tb, cases)
	return cases
}

// strict refuses unknown keys: a misspelt one would make a case say less than it seems to.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
