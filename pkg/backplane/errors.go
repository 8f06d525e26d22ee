package backplane

import "errors"

var (
	// ErrUnavailable says: the store cannot be reached, or did not answer in time. Nothing is known about what was asked:
	// a publication may or may not have been stored. Try again later, a publication with the same Key.
	ErrUnavailable = errors.New("backplane unavailable")

	// ErrClosed says: the engine has been closed. It does not come back; make another one.
	ErrClosed = errors.New("backplane closed")

	// ErrRunning says: Run was called while an earlier Run goes on. An engine has one relay; stop the other one first.
	ErrRunning = errors.New("backplane already running")

	// ErrNoTicket says: there is no such ticket: never put, taken before, or expired. Ask for a new one.
	ErrNoTicket = errors.New("no such ticket")

	// ErrTooLargeSignal says: the signal is larger than signals may be. Send less.
	ErrTooLargeSignal = errors.New("the signal is too large")

	// ErrTooManySignals says: the store keeps as many signals as it may. Wait until some have expired.
	ErrTooManySignals = errors.New("too many signals are kept")
)
