package broker

import "errors"

var (
	// ErrTooLarge says that an event is over Config.EventBytes. Publish less, or a reference to it.
	ErrTooLarge = errors.New("event too large")

	// ErrInvalid says that a publication has no targets, names one twice, or has a key that is too long. Change it.
	ErrInvalid = errors.New("invalid publication")

	// ErrDraining says that the node is being stopped and takes no new streams. Another node does.
	ErrDraining = errors.New("node is draining")

	// ErrStarting says that the node has not yet been connected to its backplane.
	ErrStarting = errors.New("node is starting")
)
