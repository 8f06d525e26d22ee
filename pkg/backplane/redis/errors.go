package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pushstream/pushstream/pkg/backplane"
)

// fatalError is what does not pass by itself.
type fatalError struct {
	text string
}

func (e *fatalError) Error() string { return e.text }

// errElsewhere says that a call was answered by another server than the one that relays.
var errElsewhere = errors.New("answered by another server than the one that relays")

// fault is what an error of a call asks for.
type fault int

const (
	faultPasses  fault = iota // it may pass: the same call again
	faultLibrary              // the library is missing: load it, then the same call again
	faultMoving               // refused, not executed: a key does not exist while its slot is being moved
	faultRefused              // refused, not executed: it may pass, but not soon
	faultFinal                // it does not pass by itself
)

// faultOf tells what to do about an error. What a server has executed and what not is unknown, except where it refused.
func faultOf(err error) fault {
	if fatal := (*fatalError)(nil); errors.As(err, &fatal) {
		return faultFinal
	}
	text := err.Error()
	for _, known := range []struct {
		text  string
		fault fault
	}{
		{"Function not found", faultLibrary},
		{"TRYAGAIN", faultMoving},
		{"OOM ", faultRefused},
		{"MISCONF ", faultRefused},
		{"PUSHSTREAM STALE", faultRefused},
		{"PUSHSTREAM ", faultFinal},
		{"NOPERM", faultFinal},
		{"The user executing the script can't", faultFinal}, // within a function, Redis 7.0
		{"ACL failure in script", faultFinal},               // later ones
		{"NOAUTH", faultFinal},
		{"WRONGPASS", faultFinal},
		{"unknown command", faultFinal},
	} {
		if strings.Contains(text, known.text) {
			return known.fault
		}
	}
	return faultPasses
}

// cure explains errors of the server whose text leaves the reader without a way out.
func cure(err error) string {
	text := err.Error()
	for _, known := range []struct{ text, cure string }{
		{"PUSHSTREAM LAYOUT", "configure every node with the same number of partitions; a deployment keeps the one it began with"},
		{"NOPERM", "give the user the rights that the operations guide lists"},
		{"The user executing the script can't", "give the user the rights that the operations guide lists"},
		{"ACL failure in script", "give the user the rights that the operations guide lists"},
		{"NOAUTH", "put the user and the password into the URL (behind Sentinel: as username and password behind the question mark)"},
		{"WRONGPASS", "check the user and the password of the URL"},
		{"OOM ", "raise maxmemory, or shorten the retention"},
		{"MISCONF ", "free the server's disk, or see why it cannot persist"},
		{"unknown command", "Redis 7 or Valkey 7 or later is needed"},
	} {
		if strings.Contains(text, known.text) {
			return "; " + known.cure
		}
	}
	return ""
}

// outcome is what callers are told of an error of a call.
func (e *Engine) outcome(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case e.isClosed():
		return backplane.ErrClosed
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("redis: %w: %w: %w", backplane.ErrUnavailable, ctx.Err(), err)
	default:
		return fmt.Errorf("redis: %w: %w%s", backplane.ErrUnavailable, err, cure(err))
	}
}
