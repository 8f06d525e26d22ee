package event

import (
	"errors"
	"fmt"
)

// ErrInvalid is what every error of this package wraps: the input is at fault and has to be changed; trying again does
// not help.
var ErrInvalid = errors.New("invalid")

// invalidf returns an error that wraps ErrInvalid and reads "invalid WHAT: why".
func invalidf(what, format string, args ...any) error {
	return fmt.Errorf("%w %s: %s", ErrInvalid, what, fmt.Sprintf(format, args...))
}
