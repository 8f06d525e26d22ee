package memory

import (
	"errors"
	"fmt"
	"time"
)

// Config says how much the engine keeps. Start from DefaultConfig: a zero never means "default".
type Config struct {
	// RetentionLength is the most entries that one log keeps, 1 or more; 1000 by default.
	RetentionLength int
	// RetentionAge is how long a log is kept after its last append, 1 ms or more; 24 h by default. What is beyond whole
	// milliseconds does not count.
	RetentionAge time.Duration
	// RetentionBytes is the most bytes that the entries of all logs may take together, 1 or more; 256 MiB by default. An
	// entry counts with its event's size and EntryOverhead; an event of several targets counts in each. The oldest go
	// first. The newest event stays, whatever its size.
	RetentionBytes int
	// KeyAge is how long a publication's key is remembered, more than 0; 10 min by default. Keys are forgotten between
	// once and twice this age after their event.
	KeyAge time.Duration
}

// EntryOverhead is what an entry counts against Config.RetentionBytes beside its event's size, in bytes: about what its
// place in the log takes.
const EntryOverhead = 256

// DefaultConfig returns the settings of an engine that nobody has configured.
func DefaultConfig() Config {
	return Config{
		RetentionLength: 1000,
		RetentionAge:    24 * time.Hour,
		RetentionBytes:  256 << 20,
		KeyAge:          10 * time.Minute,
	}
}

// Validate returns all faults, joined, each beginning with its key; nil where there are none.
func (c Config) Validate() error {
	var faults []error
	if c.RetentionLength < 1 {
		faults = append(faults, fmt.Errorf("retention_length: %d is less than 1", c.RetentionLength))
	}
	if c.RetentionAge < time.Millisecond {
		faults = append(faults, fmt.Errorf("retention_age: %v is less than 1ms", c.RetentionAge))
	}
	if c.RetentionBytes < 1 {
		faults = append(faults, fmt.Errorf("retention_bytes: %d is less than 1", c.RetentionBytes))
	}
	if c.KeyAge <= 0 {
		faults = append(faults, fmt.Errorf("key_age: %v is not more than 0", c.KeyAge))
	}
	return errors.Join(faults...)
}
