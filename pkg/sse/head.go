package sse

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// headRoom is about what a head has, in bytes.
const headRoom = 512

// nameMarks are the characters of a token beside letters and digits (RFC 9110, section 5.6.2).
const nameMarks = "!#$%&'*+-.^_`|~"

// appendHead appends the head of an HTTP/1.1 answer 200 whose body ends with the connection (RFC 9112, section 6.3), its
// headers sorted by name. What frames the body is not the caller's: Connection, Content-Length and Transfer-Encoding are
// left out. Date is added where it is missing (RFC 9110, section 6.6.1). A name that is no token, and a value with control
// characters, return an error that wraps ErrField (RFC 9110, section 5.5).
func appendHead(dst []byte, header http.Header) ([]byte, error) {
	dst = append(slices.Grow(dst, headRoom), "HTTP/1.1 200 OK\r\n"...)
	if header.Get("Date") == "" {
		dst = append(dst, "Date: "...)
		dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
		dst = append(dst, "\r\n"...)
	}
	var room [16]string
	for _, name := range sorted(room[:0], header) {
		switch http.CanonicalHeaderKey(name) {
		case "Connection", "Content-Length", "Transfer-Encoding":
			continue
		}
		if name == "" || strings.ContainsFunc(name, notToken) {
			return nil, fmt.Errorf("encode header name %+q: %w", name, ErrField)
		}
		for _, value := range header[name] {
			if strings.ContainsFunc(value, isControl) {
				return nil, fmt.Errorf("encode header %s %+q: %w", name, value, ErrField)
			}
			dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
		}
	}
	return append(dst, "Connection: close\r\n\r\n"...), nil
}

// sorted appends the names of headers to room, in order.
func sorted(room []string, header http.Header) []string {
	for name := range header {
		room = append(room, name)
	}
	slices.Sort(room)
	return room
}

func notToken(r rune) bool {
	alnum := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !alnum && !strings.ContainsRune(nameMarks, r)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
