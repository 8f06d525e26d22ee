package bench

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

const (
	eventType = "bench.event"
	// minSize is what number and stamp take at most, in bytes.
	minSize = 64
	// filling is what payloads are filled up with. It does not compress to nothing, as spaces would.
	filling = "k3Zt0qYw9HfXo2LbR7uEJm5sGvAcP1nD8iTxQeW6yNzCrMjUaKlVgBhSpFdO4-I_"
)

// appendPayload appends the data of an event: its number, when it was sent since the run began, or 0 where nothing is to be
// measured, and so much more that it has size bytes.
func appendPayload(dst []byte, number uint64, stamp time.Duration, size int) []byte {
	end := len(dst) + size - len(`"}`)
	dst = append(dst, `{"q":`...)
	dst = strconv.AppendUint(dst, number, 10)
	dst = append(dst, `,"t":`...)
	dst = strconv.AppendInt(dst, int64(stamp), 10)
	dst = append(dst, `,"p":"`...)
	if missing := end - len(dst); missing > 0 {
		whole := missing / len(filling)
		dst = append(dst, strings.Repeat(filling, whole)...)
		dst = append(dst, filling[:missing%len(filling)]...)
	}
	return append(dst, `"}`...)
}

// parsePayload reads what appendPayload has written. It is not read as JSON, because it is read for every delivery.
func parsePayload(data []byte) (number uint64, stamp time.Duration, ok bool) {
	data, ok = bytes.CutPrefix(data, []byte(`{"q":`))
	if !ok {
		return 0, 0, false
	}
	number, data = digits(data)
	if data, ok = bytes.CutPrefix(data, []byte(`,"t":`)); !ok {
		return 0, 0, false
	}
	t, data := digits(data)
	return number, time.Duration(t), bytes.HasPrefix(data, []byte(`,"p":"`)) //nolint:gosec // appendPayload wrote it
}

func digits(b []byte) (n uint64, rest []byte) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, b[i:]
		}
		n = n*10 + uint64(c-'0')
	}
	return n, nil
}
