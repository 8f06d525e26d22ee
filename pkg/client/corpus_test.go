package client_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

// The format of the corpus is described beside it.

type text string

func (x *text) UnmarshalJSON(b []byte) error {
	var whole string
	if json.Unmarshal(b, &whole) == nil {
		*x = text(whole)
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	var joined strings.Builder
	for _, raw := range parts {
		if json.Unmarshal(raw, &whole) == nil {
			joined.WriteString(whole)
			continue
		}
		var part struct {
			Hex    string `json:"hex"`
			Repeat string `json:"repeat"`
			Times  int    `json:"times"`
		}
		if err := json.Unmarshal(raw, &part); err != nil {
			return err
		}
		b, err := hex.DecodeString(part.Hex)
		if err != nil {
			return err
		}
		joined.Write(b)
		joined.WriteString(strings.Repeat(part.Repeat, part.Times))
	}
	*x = text(joined.String())
	return nil
}

type message struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data text   `json:"data"`
}

type decodeCase struct {
	Name        string    `json:"name"`
	Resume      string    `json:"resume"`
	Limit       *int      `json:"limit"`
	Stream      text      `json:"stream"`
	Messages    []message `json:"messages"`
	LastEventID string    `json:"last_event_id"`
	RetryMS     *int64    `json:"retry_ms"`
	Error       string    `json:"error"`
}

func TestCorpus(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sse", "decode.json"))
	require.NoError(t, err)
	var cases []decodeCase
	require.NoError(t, json.Unmarshal(b, &cases))
	require.Greater(t, len(cases), 50)
	for _, c := range cases {
		// Control blocks are for the client itself; those of the corpus neither fail nor tell a gap.
		c.Messages = slices.DeleteFunc(c.Messages, func(m message) bool { return strings.HasPrefix(m.Type, "pushstream.") })
		for _, size := range []int{max(1, len(c.Stream)), 1, 2} {
			t.Run(fmt.Sprintf("%s/in chunks of %d", c.Name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runCase(t, c, size) })
			})
		}
	}
}

func runCase(t *testing.T, c decodeCase, size int) {
	t.Helper()
	var chunks []string
	for chunk := range slices.Chunk([]byte(c.Stream), size) {
		chunks = append(chunks, string(chunk))
	}
	s := serve(t, stream(chunks...), answer(204, nil, ""))
	var told states
	stream := subscribe(t, s.connect(t, func(cfg *client.Config) {
		if c.Limit != nil {
			cfg.BlockBytes = *c.Limit
		}
	}), client.Subscription{Form: client.FormPlain, LastEventID: c.Resume, OnState: told.add})

	messages := []message{}
	var err error
	for e, end := range stream.Events() {
		if err = end; end == nil {
			messages = append(messages, message{"", e.Type, text(e.Data)})
		}
	}
	require.Len(t, messages, len(c.Messages))
	for i, m := range c.Messages {
		m.ID = ""
		require.Equal(t, m, messages[i])
	}
	require.Equal(t, c.LastEventID, stream.LastEventID())
	requests, _, _ := s.seen()
	if c.Error != "" {
		require.Equal(t, "too_large", c.Error)
		require.ErrorIs(t, err, client.ErrTooLarge)
		require.Len(t, requests, 1)
		return
	}
	require.ErrorIs(t, err, client.ErrEnded)
	require.Equal(t, c.LastEventID, cursorOf(t, requests[1]))
	least, most := time.Duration(0), client.DefaultConfig().BackoffMin
	if c.RetryMS != nil && *c.RetryMS > 0 {
		least = min(time.Duration(min(*c.RetryMS, 1e9))*time.Millisecond, 10*time.Minute)
		most = max(most, least*3/2)
	}
	phases := told.phases()
	wait := told.all[slices.Index(phases, client.PhaseWaiting)].Wait
	require.GreaterOrEqual(t, wait, least)
	require.LessOrEqual(t, wait, most)
}

// cursorOf returns what a node takes for the reader's cursor.
func cursorOf(t *testing.T, r *http.Request) string {
	t.Helper()
	query, err := url.ParseQuery(r.URL.RawQuery)
	require.NoError(t, err)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return query.Get("lastEventId")
}

// Ids that come with each message are what a Stream would go on with, there and then.
func TestCorpusIDs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sse", "decode.json"))
	require.NoError(t, err)
	var cases []decodeCase
	require.NoError(t, json.Unmarshal(b, &cases))
	for _, c := range cases {
		if len(c.Messages) == 0 || c.Name == "what a node writes" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Nothing may follow a message while its id is looked at: an id alone would move the cursor on.
				s := serve(t, open(string(c.Stream)))
				stream := subscribe(t, s.connect(t, func(cfg *client.Config) {
					if c.Limit != nil {
						cfg.BlockBytes = *c.Limit
					}
				}), client.Subscription{Form: client.FormPlain, LastEventID: c.Resume})
				var ids []string
				for range stream.Events() {
					ids = append(ids, stream.LastEventID())
					if len(ids) == len(c.Messages) {
						break
					}
				}
				for i, m := range c.Messages {
					require.Equal(t, m.ID, ids[i])
				}
			})
		})
	}
}
