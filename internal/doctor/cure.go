package doctor

import "time"

// What to do with a line.
const (
	doSet    = "set"
	doRemove = "remove"
)

// inLocation is where nginx wants what is for one proxied place.
const inLocation = "location"

// round makes a time fit to be read.
func round(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "under 1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}
