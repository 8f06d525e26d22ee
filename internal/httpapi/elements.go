package httpapi

import (
	"bytes"
	"encoding/json"
)

// elementsOf returns the first elements of a JSON array, at most so many, and how many there are. They are parts of text,
// which has to be valid. encoding/json would make a value of each: an array of millions of small ones takes thirty times its
// size then, before anything can be said about their number.
func elementsOf(text []byte, most int) (first []json.RawMessage, count int) {
	text = bytes.TrimSpace(text)
	inside := text[1 : len(text)-1]
	if len(bytes.TrimSpace(inside)) == 0 {
		return []json.RawMessage{}, 0
	}
	begin, depth := 0, 0
	for i := 0; i <= len(inside); i++ {
		switch {
		case i == len(inside) || inside[i] == ',' && depth == 0:
			if count < most {
				first = append(first, bytes.TrimSpace(inside[begin:i]))
			}
			count++
			begin = i + 1
		case inside[i] == '[' || inside[i] == '{':
			depth++
		case inside[i] == ']' || inside[i] == '}':
			depth--
		case inside[i] == '"':
			i += stringEnd(inside[i:])
		}
	}
	return first, count
}

// membersOf returns how many members a JSON object has; 0 for what is no object. Of a text that is not valid it returns some
// number.
func membersOf(text []byte) int {
	text = bytes.TrimSpace(text)
	if len(text) < len("{}") || text[0] != '{' || text[len(text)-1] != '}' {
		return 0
	}
	_, count := elementsOf(text, 0)
	return count
}

// stringEnd returns where the JSON string ends that text begins with: the place of its last quote.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1
}

// linesOf returns the first lines that are not empty, at most so many, and how many there are.
func linesOf(text []byte, most int) (first []json.RawMessage, count int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if count < most {
			first = append(first, line)
		}
		count++
	}
	return first, count
}

// targetNames is a list of which no more is decoded than can be used, however long it is.
type targetNames struct {
	first []string
	count int
}

// UnmarshalJSON reads a list of strings.
func (n *targetNames) UnmarshalJSON(text []byte) error {
	*n = targetNames{}
	if text[0] != '[' {
		return json.Unmarshal(text, &n.first)
	}
	items, count := elementsOf(text, maxTargets)
	n.first, n.count = make([]string, len(items)), count
	for i, item := range items {
		if err := json.Unmarshal(item, &n.first[i]); err != nil {
			return err //nolint:wrapcheck // encoding/json says where, if the error is its own
		}
	}
	return nil
}
