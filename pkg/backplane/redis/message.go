package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// parseMessage reads what came over the channel of a log: "POSITION PREV TYPE N META DATA" with a meta of N bytes and no
// space behind it, as the functions write it, or a JSON object {"type", "data", "meta"?}, which anybody may publish: an
// event that is live only.
func parseMessage(log event.LogName, text string) (backplane.Entry, error) {
	if strings.HasPrefix(text, "{") {
		return parseLive(log, text)
	}
	entry := backplane.Entry{Log: log}
	words := strings.SplitN(text, " ", 5)
	if len(words) != 5 {
		return entry, errors.New("it is neither an event of the functions nor a JSON object")
	}
	var err error
	if entry.Position, err = event.ParsePosition(words[0]); err != nil {
		return entry, err
	}
	var prev string
	prev, entry.Loose = strings.CutPrefix(words[1], "~")
	before, err := parsePlace(prev)
	if err != nil {
		return entry, fmt.Errorf("parse prev: %w", err)
	}
	if entry.Prev, err = event.NewPosition(entry.Position.Timeline(), before.ms, before.seq); err != nil {
		return entry, fmt.Errorf("parse prev: %w", err)
	}
	size, err := strconv.Atoi(words[3])
	if err != nil || size < 0 || size > len(words[4]) {
		return entry, errors.New("the size of its meta is wrong")
	}
	entry.Event, err = parseEvent(words[2], words[4][size:], words[4][:size])
	entry.Event.Time = entry.Position.Time()
	return entry, err
}

func parseLive(log event.LogName, text string) (backplane.Entry, error) {
	var fields struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
		Meta json.RawMessage `json:"meta"`
	}
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return backplane.Entry{}, fmt.Errorf("parse live event: %w", err)
	}
	meta := string(fields.Meta)
	if meta == "null" {
		meta = ""
	}
	e, err := parseEvent(fields.Type, string(fields.Data), meta)
	if err != nil {
		return backplane.Entry{}, fmt.Errorf("parse live event: %w", err)
	}
	e.Time = time.Now().UTC().Truncate(time.Millisecond)
	return backplane.Entry{Log: log, Event: e}, nil
}
