package client_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/testutil/wirecorpus"
	"github.com/pushstream/pushstream/pkg/client"
)

func TestCorpus(t *testing.T) {
	cases := wirecorpus.Read[wirecorpus.DecodeCase](t, "../../testdata/sse/decode.json")
	require.Greater(t, len(cases), 50)
	for _, c := range cases {
		// Control blocks are for the client itself; those of the corpus neither fail nor tell a gap.
		c.Messages = slices.DeleteFunc(c.Messages, func(m wirecorpus.Message) bool { return strings.HasPrefix(m.Type, "pushstream.") })
		for _, size := range []int{max(1, len(c.Stream)), 1, 2} {
			t.Run(fmt.Sprintf("%s/in chunks of %d", c.Name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runCase(t, c, size) })
			})
		}
	}
}

func runCase(t *testing.T, c wirecorpus.DecodeCase, size int) {
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

	messages := []wirecorpus.Message{}
	var err error
	for e, end := range stream.Events() {
		if err = end; end == nil {
			messages = append(messages, wirecorpus.Message{Type: e.Type, Data: wirecorpus.Text(e.Data)})
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
	cases := wirecorpus.Read[wirecorpus.DecodeCase](t, "../../testdata/sse/decode.json")
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
