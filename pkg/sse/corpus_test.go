package sse_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/testutil/wirecorpus"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

type encodeCase struct {
	Name    string          `json:"name"`
	Message *messageCase    `json:"message"`
	Refused bool            `json:"refused"`
	Block   wirecorpus.Text `json:"block"`
	Frame   *frameCase      `json:"frame"`
	Hello   *helloCase      `json:"hello"`
	Gap     *struct {
		Cursor  string          `json:"cursor"`
		Targets []string        `json:"targets"`
		Reason  event.GapReason `json:"reason"`
	} `json:"gap"`
	Live *cursorCase `json:"live"`
	Ping *cursorCase `json:"ping"`
	Bye  *struct {
		Reason      string `json:"reason"`
		ReconnectMS int64  `json:"reconnect_ms"`
	} `json:"bye"`
	Plain    wirecorpus.Text `json:"plain"`
	Envelope wirecorpus.Text `json:"envelope"`
}

type messageCase struct {
	ID      *string `json:"id"`
	Type    string  `json:"type"`
	Data    string  `json:"data"`
	RetryMS *int64  `json:"retry_ms"`
}

type frameCase struct {
	Target   string    `json:"target"`
	Type     string    `json:"type"`
	Data     string    `json:"data"`
	Meta     string    `json:"meta"`
	Time     time.Time `json:"time"`
	Position string    `json:"position"`
	Under    *string   `json:"under"`
}

type helloCase struct {
	Cursor      string `json:"cursor"`
	Connection  string `json:"connection"`
	Node        string `json:"node"`
	Identity    string `json:"identity"`
	HeartbeatMS int64  `json:"heartbeat_ms"`
	RetryMS     int64  `json:"retry_ms"`
	Replaying   bool   `json:"replaying"`
}

type cursorCase struct {
	Cursor string `json:"cursor"`
}

func TestCorpusDecode(t *testing.T) {
	t.Parallel()
	cases := wirecorpus.Read[wirecorpus.DecodeCase](t, "../../testdata/sse/decode.json")
	names := map[string]bool{}
	for _, c := range cases {
		require.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		for _, size := range []int{max(1, len(c.Stream)), 1, 2} {
			t.Run(fmt.Sprintf("%s/in chunks of %d", c.Name, size), func(t *testing.T) {
				t.Parallel()
				limit := 1 << 20
				if c.Limit != nil {
					limit = *c.Limit
				}
				decoder := sse.NewDecoder(limit)
				decoder.Reset(c.Resume)
				messages := []wirecorpus.Message{}
				var err error
				for chunk := range slices.Chunk([]byte(c.Stream), size) {
					err = decoder.Feed(chunk, func(m sse.Message) error {
						messages = append(messages, wirecorpus.Message{ID: m.ID, Type: m.Type, Data: wirecorpus.Text(m.Data)})
						return nil
					})
				}
				if c.Error == "" {
					require.NoError(t, err)
				} else {
					require.Equal(t, "too_large", c.Error)
					require.ErrorIs(t, err, sse.ErrTooLarge)
				}
				require.Equal(t, c.Messages, messages)
				require.Equal(t, c.LastEventID, decoder.LastEventID())
				wait, ok := decoder.Retry()
				require.Equal(t, c.RetryMS != nil, ok)
				if ok {
					require.Equal(t, *c.RetryMS, wait.Milliseconds())
				}
			})
		}
	}
}

func TestCorpusEncode(t *testing.T) {
	t.Parallel()
	for _, c := range wirecorpus.Read[encodeCase](t, "../../testdata/sse/encode.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if c.Message != nil {
				encodeMessage(t, c)
				return
			}
			require.Equal(t, string(c.Plain), string(encodeForm(t, c, false)))
			require.Equal(t, string(c.Envelope), string(encodeForm(t, c, true)))
			for _, block := range []wirecorpus.Text{c.Plain, c.Envelope} {
				require.Len(t, decodeAll(t, string(block)), 1, "it is one block to a reader")
			}
		})
	}
}

func encodeMessage(t *testing.T, c encodeCase) {
	t.Helper()
	m := sse.Message{Type: c.Message.Type, Data: c.Message.Data}
	if c.Message.ID != nil {
		m.ID, m.HasID = *c.Message.ID, true
	}
	if c.Message.RetryMS != nil {
		m.Retry, m.HasRetry = time.Duration(*c.Message.RetryMS)*time.Millisecond, true
	}
	before := []byte("before")
	got, err := sse.AppendMessage(before, m)
	if c.Refused {
		require.ErrorIs(t, err, sse.ErrField)
		require.Equal(t, "before", string(got))
		return
	}
	require.NoError(t, err)
	require.Equal(t, "before"+string(c.Block), string(got))
}

func encodeForm(t *testing.T, c encodeCase, envelope bool) []byte {
	t.Helper()
	switch controls := (sse.Controls{}); {
	case c.Frame != nil:
		ev := happened(t, c.Frame.Type, c.Frame.Data, c.Frame.Meta)
		ev.Time = c.Frame.Time
		frame := sse.NewFrame(target(t, c.Frame.Target), ev, at(t, c.Frame.Position))
		if c.Frame.Under != nil {
			return frame.Under(envelope, at(t, *c.Frame.Under))
		}
		return frame.Block(envelope)
	case c.Hello != nil:
		return sse.Hello{
			Cursor:     at(t, c.Hello.Cursor),
			Connection: c.Hello.Connection,
			Node:       c.Hello.Node,
			Identity:   c.Hello.Identity,
			Heartbeat:  time.Duration(c.Hello.HeartbeatMS) * time.Millisecond,
			Retry:      time.Duration(c.Hello.RetryMS) * time.Millisecond,
			Replaying:  c.Hello.Replaying,
		}.Block(envelope)
	case c.Gap != nil:
		var targets []event.Target
		for _, s := range c.Gap.Targets {
			targets = append(targets, target(t, s))
		}
		return controls.Gap(envelope, at(t, c.Gap.Cursor), targets, c.Gap.Reason)
	case c.Live != nil:
		return controls.Live(envelope, at(t, c.Live.Cursor))
	case c.Ping != nil:
		return controls.Ping(envelope, at(t, c.Ping.Cursor))
	case c.Bye != nil:
		return controls.Bye(envelope, c.Bye.Reason, time.Duration(c.Bye.ReconnectMS)*time.Millisecond)
	}
	require.NoError(t, errors.New("the case says nothing to encode"))
	return nil
}

func decodeAll(tb testing.TB, stream string) []sse.Message {
	tb.Helper()
	var messages []sse.Message
	require.NoError(tb, sse.NewDecoder(1<<24).Feed([]byte(stream), func(m sse.Message) error {
		messages = append(messages, m)
		return nil
	}))
	return messages
}
