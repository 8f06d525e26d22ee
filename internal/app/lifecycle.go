package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// lifecycle is what has to be closed, in the opposite order of opening. The line that opens something registers its closing.
type lifecycle struct {
	closers []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

func (l *lifecycle) add(name string, f func(context.Context) error) {
	l.closers = append(l.closers, closer{name, f})
}

// unwind closes everything, last opened first, and returns all errors.
func (l *lifecycle) unwind(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Backward(l.closers) {
		if err := c.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", c.name, err))
		}
	}
	l.closers = nil
	return errors.Join(errs...)
}
