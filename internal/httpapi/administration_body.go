package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/pushstream/pushstream/pkg/event"
)

// decodeAdmin reads the body of a request, one JSON object; expected says what there is. Fields that do not exist are errors,
// since what is misspelt would be done to somebody else.
func decodeAdmin(c echo.Context, into any, expected string) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, c.Request().Body, adminBody))
	if err != nil {
		return bodyError(err)
	}
	document, err := event.ParseDocument(body)
	if err != nil {
		return invalidJSON(err)
	}
	if err = unambiguous(document); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(into); err == nil {
		return nil
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		if wrong.Field == "" {
			return invalid("this is a JSON %s; %s", wrong.Value, expected)
		}
		return invalid("%s is a JSON %s; %s", wrong.Field, wrong.Value, expected)
	}
	const most = 200 // bytes: it may quote the name of a field, of any length
	text := err.Error()
	return invalid("%s; %s", text[:min(len(text), most)], expected)
}

// unambiguous refuses an object that encoding/json would read in one of several ways: names that are there twice or in other
// letters, and texts with what is no character.
func unambiguous(document event.Document) error {
	seen := make(map[string]bool)
	for quoted, value := range document.Members() {
		name, _ := quoted.Unquote()
		text, _ := value.Unquote()
		switch {
		case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "":
			return invalid("unknown field %s", event.Quote(name))
		case seen[name]:
			return invalid("a name is there twice")
		case noCharacter(text):
			return invalid("%s: %s", name, noCharacterIsTold)
		}
		seen[name] = true
	}
	return nil
}
