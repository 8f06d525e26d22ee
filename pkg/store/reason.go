package store

// Reason says why a stream ended. The hundreds say what a reader does: 1xx it went itself, or could not be told; 2xx it
// was asked to come back; 3xx it was told to stay away. The words are part of the wire (pushstream.bye) and of metrics.
type Reason uint16

// The reasons.
const (
	// ReasonGone: the reader hung up, or the network did.
	ReasonGone Reason = 100 + iota
	// ReasonStalled: the reader took no byte for as long as its stream waits.
	ReasonStalled
	// ReasonStopped: the node stopped at once, without a drain.
	ReasonStopped
)

// The reasons that ask the reader to come back.
const (
	// ReasonDraining: the node is being stopped.
	ReasonDraining Reason = 200 + iota
	// ReasonMaxAge: the stream reached Config.MaxAge; new ones spread over the nodes that there are now.
	ReasonMaxAge
	// ReasonOverloaded: the node has as many streams as it may have, in all or from this address.
	ReasonOverloaded
	// ReasonUnavailable: the backplane cannot be reached.
	ReasonUnavailable
	// ReasonExpired: the credential has expired; the reader comes back with a new one.
	ReasonExpired
	// ReasonEnded: an administrator ended the stream.
	ReasonEnded
)

// The reasons that tell the reader to stay away.
const (
	// ReasonRevoked: the reader was logged out, or its credential is refused from now on.
	ReasonRevoked Reason = 300 + iota
)

// String returns the reason's word.
func (r Reason) String() string {
	switch r {
	case ReasonGone:
		return "gone"
	case ReasonStalled:
		return "stalled"
	case ReasonStopped:
		return "stopped"
	case ReasonDraining:
		return "draining"
	case ReasonMaxAge:
		return "max_age"
	case ReasonOverloaded:
		return "overloaded"
	case ReasonUnavailable:
		return "unavailable"
	case ReasonExpired:
		return "expired"
	case ReasonEnded:
		return "ended"
	case ReasonRevoked:
		return "revoked"
	default:
		return "unknown"
	}
}
