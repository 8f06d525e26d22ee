package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/app"
	"github.com/pushstream/pushstream/internal/config"
)

const (
	keyA        = "a"
	keyB        = "b"
	keyC        = "c"
	keyDuration = "duration"
	keyEmpty    = "empty"
	keyError    = "error"
	keyF        = "f"
	keyInline   = "inline"
	keyInner    = "inner"
	keyList     = "list"
	keyN        = "n"
	keyResumed  = "resumed"
	keyToken    = "token"
	keyNone     = ""
	keyURL      = "url"
	keyWhen     = "when"
)

// newLogger returns a logger and what it writes.
func newLogger(t *testing.T, level, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	log, err := app.NewLogger(&out, config.Log{Level: level, Format: format})
	require.NoError(t, err)
	return log, &out
}

// lines decodes JSON lines.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var decoded []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		if text, found := m["message"]; found { // zerolog's name for what slogtest calls msg
			m[slog.MessageKey] = text
		}
		decoded = append(decoded, m)
	}
	return decoded
}

func TestLogHandlerKeepsTheContractOfSlog(t *testing.T) {
	log, out := newLogger(t, "info", "json")
	require.NoError(t, slogtest.TestHandler(log.Handler(), func() []map[string]any { return lines(t, out) }))
}

func TestAttributesStayInTheirGroups(t *testing.T) {
	log, out := newLogger(t, "info", "json")
	base := log.With(slog.Int(keyA, 1))
	group := base.WithGroup("g").With(slog.Int(keyB, 2))
	group.WithGroup("h").Info("one", slog.Int(keyC, 3))
	group.Info("two")
	base.Info("three", slog.Group(keyEmpty, slog.Group(keyInner)), slog.Group(keyNone, slog.Int(keyInline, 1)))
	have := lines(t, out)
	for _, m := range have {
		require.InDelta(t, 1, m["a"], 0)
	}
	require.Same(t, base.Handler(), base.Handler().WithGroup(""))
	require.Equal(t, map[string]any{"b": 2.0, "h": map[string]any{"c": 3.0}}, have[0]["g"])
	require.Equal(t, map[string]any{"b": 2.0}, have[1]["g"])
	require.NotContains(t, have[2], "empty")
	require.InDelta(t, 1, have[2]["inline"], 0)
}

func TestLogValuesAreReadable(t *testing.T) {
	log, out := newLogger(t, "debug", "auto") // no terminal: json
	when := time.Date(2026, 1, 2, 4, 5, 6, 7_000_000, time.FixedZone("", 3600))
	log.Debug("stream closed",
		slog.Duration(keyDuration, 1500*time.Millisecond), slog.Time(keyWhen, when), slog.Any(keyError, errors.New("broken pipe")), slog.Bool(keyResumed, true),
		slog.Uint64(keyN, 1), slog.Float64(keyF, 0.5), slog.Any(keyList, []string{"x"}), slog.Any(keyToken, config.Secret("correct-horse")))
	m := lines(t, out)[0]
	require.Equal(t, "debug", m["level"])
	require.Equal(t, "1.5s", m["duration"])
	require.Equal(t, "2026-01-02T03:05:06.007Z", m["when"])
	require.Equal(t, "broken pipe", m["error"])
	require.Equal(t, true, m["resumed"])
	require.InDelta(t, 0.5, m["f"], 0)
	require.Equal(t, []any{"x"}, m["list"])
	require.Equal(t, "(set)", m["token"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, m["time"])
}

func TestLogLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		log, out := newLogger(t, level, "json")
		log.Debug("m")
		log.Info("m")
		log.Warn("m")
		log.Error("m")
		have := lines(t, out)
		require.Len(t, have, want, level)
		require.Equal(t, level, have[0]["level"])
	}
}

func TestConsoleIsForPeople(t *testing.T) {
	log, out := newLogger(t, "info", "console")
	log.Info("listening", slog.String(keyURL, "http://127.0.0.1:8080"))
	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d\d\d INF listening url=http://127\.0\.0\.1:8080\n$`, out.String(), "no colours where there is no terminal")
}

func TestUnknownLogSettingsAreRefused(t *testing.T) {
	_, err := app.NewLogger(&bytes.Buffer{}, config.Log{Level: "loud", Format: "json"})
	require.ErrorContains(t, err, "set log level: ")
	_, err = app.NewLogger(&bytes.Buffer{}, config.Log{Level: "info", Format: "xml"})
	require.ErrorContains(t, err, "set log format: ")
}
