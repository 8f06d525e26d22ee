package event

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"unicode/utf8"
)

// Document is a valid JSON value (RFC 8259) in UTF-8, as it was sent. It is checked once, and then taken apart without
// copying: its members and elements are parts of its text, and are Documents themselves. The zero Document is absent.
type Document struct {
	text []byte // without white space around it
}

// ParseDocument checks one JSON value. It keeps b, which must not be changed afterwards. The error wraps ErrInvalid.
func ParseDocument(b []byte) (Document, error) {
	switch {
	case !utf8.Valid(b):
		return Document{}, invalidf("JSON", "it is not UTF-8 (RFC 8259, section 8.1)")
	case !json.Valid(b):
		var raw json.RawMessage
		return Document{}, invalidf("JSON", "%v", json.Unmarshal(b, &raw)) // says where, and no more than one character of it
	}
	return Document{text: bytes.Trim(b, " \t\r\n")}, nil
}

// IsZero reports whether there is no value.
func (d Document) IsZero() bool { return len(d.text) == 0 }

// IsNull reports whether the value is null.
func (d Document) IsNull() bool { return string(d.text) == "null" }

// IsTrue reports whether the value is true.
func (d Document) IsTrue() bool { return string(d.text) == "true" }

// Kind returns what the value is: object, array, string, number, bool or null; nothing where it is absent.
func (d Document) Kind() string {
	if d.IsZero() {
		return ""
	}
	switch d.text[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// Members yields the members of an object in their order, each with its name, which is a string. Of what is no object it
// yields none.
func (d Document) Members() iter.Seq2[Document, Document] {
	return func(yield func(name, value Document) bool) {
		if d.Kind() != "object" {
			return
		}
		for at := behindSpace(d.text, 1); d.text[at] != '}'; at = behindComma(d.text, at) {
			name := valueAt(d.text, at)
			at = behindSpace(d.text, at+len(name.text)) // the colon
			at = behindSpace(d.text, at+1)
			value := valueAt(d.text, at)
			at += len(value.text)
			if !yield(name, value) {
				return
			}
		}
	}
}

// Fields returns an object's members by their names: one for each name, zero where there is none. A member with another name,
// and one that is there twice, are errors, and so is what is no object. They wrap ErrInvalid.
func (d Document) Fields(names ...string) ([]Document, error) {
	if d.Kind() != "object" {
		return nil, invalidf("object", "it is a JSON %s", d.Kind())
	}
	fields := make([]Document, len(names))
	for quoted, value := range d.Members() {
		name, _ := quoted.Unquote()
		at := slices.Index(names, name)
		switch {
		case at < 0:
			return nil, invalidf("object", "unknown field %s", Quote(name))
		case !fields[at].IsZero():
			return nil, invalidf("object", "the field %s is there twice", Quote(name))
		}
		fields[at] = value
	}
	return fields, nil
}

// Elements yields the elements of an array in their order. Of what is no array it yields none.
func (d Document) Elements() iter.Seq[Document] {
	return func(yield func(Document) bool) {
		if d.Kind() != "array" {
			return
		}
		for at := behindSpace(d.text, 1); d.text[at] != ']'; at = behindComma(d.text, at) {
			value := valueAt(d.text, at)
			at += len(value.text)
			if !yield(value) {
				return
			}
		}
	}
}

// Unquote returns the text of a string, and reports whether the value is one. What is escaped and no character, like half a
// surrogate pair, becomes U+FFFD.
func (d Document) Unquote() (text string, isString bool) {
	if d.Kind() != "string" {
		return "", false
	}
	if bytes.IndexByte(d.text, '\\') < 0 {
		return string(d.text[1 : len(d.text)-1]), true
	}
	err := json.Unmarshal(d.text, &text)
	return text, err == nil
}

// JSON returns a copy of the value on one line, so that the rest of the document is not kept with it.
func (d Document) JSON() JSON { return JSON{raw: bytes.Clone(d.line())} }

// line returns the value without line breaks: white space is removed where one has to go.
func (d Document) line() []byte {
	if bytes.IndexByte(d.text, '\n') < 0 && bytes.IndexByte(d.text, '\r') < 0 {
		return d.text
	}
	line := make([]byte, 0, len(d.text))
	for at := 0; at < len(d.text); at++ {
		switch d.text[at] {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := quoteBehind(d.text, at)
			line = append(line, d.text[at:end+1]...)
			at = end
		default:
			line = append(line, d.text[at])
		}
	}
	return line
}

// valueAt returns the value that begins at a place of a valid text.
func valueAt(text []byte, at int) Document {
	end, depth := at, 0
	for ; end < len(text); end++ {
		switch text[end] {
		case '"':
			end = quoteBehind(text, end)
			if depth == 0 {
				return Document{text: text[at : end+1 : end+1]}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth < 0 { // of what it is in
				return Document{text: text[at:end:end]}
			}
			if depth == 0 {
				return Document{text: text[at : end+1 : end+1]}
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 { // behind a number or a word
				return Document{text: text[at:end:end]}
			}
		}
	}
	return Document{text: text[at:end:end]}
}

// quoteBehind returns where the string ends whose first quote is at a place: the place of its last one.
func quoteBehind(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at
}

func behindSpace(text []byte, at int) int {
	for text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n' {
		at++
	}
	return at
}

// behindComma returns where the next member or element begins, or the object or array ends.
func behindComma(text []byte, at int) int {
	if at = behindSpace(text, at); text[at] == ',' {
		at = behindSpace(text, at+1)
	}
	return at
}
