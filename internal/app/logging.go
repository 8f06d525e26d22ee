package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/pushstream/pushstream/internal/config"
)

// NewLogger returns the node's logger: zerolog behind slog, so that packages need to know neither. Records go to w, one a
// line. It fails where the configuration names no level or format.
func NewLogger(w io.Writer, cfg config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("set log level: %w", err)
	}
	terminal := isTerminal(w)
	switch {
	case cfg.Format == "json", cfg.Format == "auto" && !terminal:
	case cfg.Format == "console", cfg.Format == "auto":
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal, TimeFormat: "15:04:05.000"}
	default:
		return nil, fmt.Errorf("set log format: unknown format %q", cfg.Format)
	}
	return slog.New(&logHandler{out: zerolog.New(zerolog.SyncWriter(w)), level: level}), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// logHandler is a slog.Handler that writes by zerolog. The one that comes with zerolog moves attributes into groups that
// were opened after them, flattens groups, and cuts times to seconds.
type logHandler struct {
	out   zerolog.Logger
	level slog.Level
	// scopes begins with the attributes outside any group; each further one is a group inside the one before.
	scopes []logScope
}

type logScope struct {
	group string
	attrs []slog.Attr
}

// Enabled reports whether a level is logged.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle writes a record.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, s := range slices.Backward(h.scopes) { // the record's own belong to the innermost group
		attrs = append(slices.Clone(s.attrs), attrs...)
		if s.group != "" {
			attrs = []slog.Attr{slog.GroupAttrs(s.group, attrs...)}
		}
	}
	e := h.out.WithLevel(zerologLevel(r.Level))
	if !r.Time.IsZero() {
		e.Str(zerolog.TimestampFieldName, formatTime(r.Time))
	}
	for _, a := range attrs {
		appendAttr(e, a)
	}
	e.Msg(r.Message)
	return nil
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	scopes := slices.Clone(h.scopes)
	if len(scopes) == 0 {
		scopes = []logScope{{}}
	}
	last := &scopes[len(scopes)-1]
	last.attrs = slices.Concat(last.attrs, attrs)
	return &logHandler{out: h.out, level: h.level, scopes: scopes}
}

// WithGroup returns a handler that puts what follows into a group.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{out: h.out, level: h.level, scopes: append(slices.Clone(h.scopes), logScope{group: name})}
}

func appendAttr(e *zerolog.Event, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		appendGroup(e, a.Key, v.Group())
		return
	}
	if a.Key == "" {
		return // slog.Handler: an empty attribute is ignored
	}
	switch v.Kind() {
	case slog.KindString:
		e.Str(a.Key, v.String())
	case slog.KindInt64:
		e.Int64(a.Key, v.Int64())
	case slog.KindUint64:
		e.Uint64(a.Key, v.Uint64())
	case slog.KindFloat64:
		e.Float64(a.Key, v.Float64())
	case slog.KindBool:
		e.Bool(a.Key, v.Bool())
	case slog.KindDuration:
		e.Str(a.Key, v.Duration().String())
	case slog.KindTime:
		e.Str(a.Key, formatTime(v.Time()))
	default:
		if err, isError := v.Any().(error); isError {
			e.AnErr(a.Key, err)
		} else {
			e.Interface(a.Key, v.Any())
		}
	}
}

// appendGroup adds a group: nothing where it is empty, its members where it has no name (slog.Handler).
func appendGroup(e *zerolog.Event, name string, members []slog.Attr) {
	into := e
	if name != "" {
		members = slices.DeleteFunc(slices.Clone(members), isEmpty)
		if len(members) == 0 {
			return
		}
		into = e.CreateDict()
		defer func() { e.Dict(name, into) }()
	}
	for _, member := range members {
		appendAttr(into, member)
	}
}

// isEmpty reports whether an attribute writes nothing.
func isEmpty(a slog.Attr) bool {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		return !slices.ContainsFunc(v.Group(), func(member slog.Attr) bool { return !isEmpty(member) })
	}
	return a.Key == ""
}

// formatTime writes milliseconds, which tell the order of what happens together; zerolog's own format is one of the process.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func zerologLevel(l slog.Level) zerolog.Level {
	switch {
	case l < slog.LevelInfo:
		return zerolog.DebugLevel
	case l < slog.LevelWarn:
		return zerolog.InfoLevel
	case l < slog.LevelError:
		return zerolog.WarnLevel
	default:
		return zerolog.ErrorLevel
	}
}
