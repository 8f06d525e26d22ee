package app

import (
	"bytes"
	"context"
	"log"
	"log/slog"
)

// serverLog returns what net/http logs to.
func serverLog(to *slog.Logger) *log.Logger { return log.New(serverLines{to}, "", 0) }

// serverLines passes on what net/http says. What callers bring about by sending what is no HTTP is for debugging: anybody
// could fill the disk with it otherwise, a line for each connection.
type serverLines struct {
	log *slog.Logger
}

// Write takes one line.
func (l serverLines) Write(text []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(text, []byte("http: ")) || bytes.Contains(text, []byte("panic serving")) {
		level = slog.LevelWarn // our own faults, and those of the machine
	}
	l.log.Log(context.Background(), level, "http server", slog.String("said", string(bytes.TrimRight(text, "\n"))))
	return len(text), nil
}
