package sse

import (
	"errors"
	"fmt"
	"time"
)

// maxCloseTimeout keeps a node that stops from waiting for its slowest reader.
const maxCloseTimeout = 10 * time.Second

// Config bounds how long a stream waits for its reader.
type Config struct {
	// WriteTimeout is how long a reader may take nothing of what is being written, at least 1 ms; default 2 min. It is
	// looked at when it ends: a reader that stops for good is noticed after once to twice the time.
	WriteTimeout time.Duration
	// CloseTimeout is how long Close waits for the reader to take what is left and, where the connection can be shut down
	// one way, as long again for it to hang up; 1 ms to 10 s; default 1 s.
	CloseTimeout time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{WriteTimeout: 2 * time.Minute, CloseTimeout: time.Second}
}

// Validate returns all faults, each with the name of its field.
func (c Config) Validate() error {
	var faults []error
	if c.WriteTimeout < time.Millisecond {
		faults = append(faults, fmt.Errorf("WriteTimeout: %v is under 1ms", c.WriteTimeout))
	}
	if c.CloseTimeout < time.Millisecond || c.CloseTimeout > maxCloseTimeout {
		faults = append(faults, fmt.Errorf("CloseTimeout: %v is not 1ms to %v", c.CloseTimeout, maxCloseTimeout))
	}
	return errors.Join(faults...)
}
