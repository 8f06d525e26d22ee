package sse_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/sse"
)

func TestFrameIsEncodedOnceAndShared(t *testing.T) {
	t.Parallel()
	position := at(t, "a1.5-0")
	frame := sse.NewFrame(target(t, "topic:x"), happened(t, "a.b", `{"n":1}`, ""), position)
	require.Equal(t, position, frame.Position())
	var readers sync.WaitGroup
	blocks := make([][]byte, 16)
	for i := range blocks {
		readers.Go(func() { blocks[i] = frame.Block(i%2 == 0) })
	}
	readers.Wait()
	for i, b := range blocks {
		require.Same(t, &blocks[i%2][0], &b[0], "every reader gets the same bytes")
	}
	require.NotEqual(t, blocks[0], blocks[1])
}

// Absent data would leave an envelope that is no JSON, and a plain block that no script could parse.
func TestFrameWithoutDataSaysNull(t *testing.T) {
	t.Parallel()
	ev := happened(t, "a.b", "1", "")
	ev.Data = event.JSON{}
	frame := sse.NewFrame(target(t, "all"), ev, at(t, "a1.5-0"))
	require.Equal(t, "null", decodeAll(t, string(frame.Block(false)))[0].Data)
	var envelope map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(decodeAll(t, string(frame.Block(true)))[0].Data), &envelope))
	require.Equal(t, "null", string(envelope["data"]))
}

func TestFrameSizeCoversABlock(t *testing.T) {
	t.Parallel()
	position := at(t, strings.Repeat("z", event.MaxTimeline)+".9007199254740991-18446744073709551615")
	for _, name := range []string{"all", "user:" + strings.Repeat("u", event.MaxTargetID)} {
		for _, data := range []string{"1", `"` + strings.Repeat("x", 5000) + `"`} {
			frame := sse.NewFrame(target(t, name), happened(t, "a.b", data, `{"m":1}`), position)
			for _, envelope := range []bool{false, true} {
				require.LessOrEqual(t, len(frame.Block(envelope)), frame.Size())
				require.Greater(t, len(frame.Block(envelope))+400, frame.Size())
			}
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add("topic:x", "a.b", []byte(`{"a":1}`), []byte(`{"m":1}`), "a1.5-0", true)
	f.Fuzz(func(t *testing.T, name, kind string, data, meta []byte, position string, envelope bool) {
		to, err := event.ParseTarget(name)
		if err != nil {
			return
		}
		ev := event.Event{}
		if ev.Type, err = event.ParseType(kind); err != nil {
			return
		}
		if ev.Data, err = event.ParseJSON(data); err != nil {
			return
		}
		if ev.Meta, err = event.ParseObject(meta); err != nil {
			ev.Meta = event.JSON{}
		}
		id, err := event.ParsePosition(position)
		if err != nil {
			id = event.Position{}
		}
		messages := decodeAll(t, string(sse.NewFrame(to, ev, id).Block(envelope)))
		require.Len(t, messages, 1)
		m := messages[0]
		require.Equal(t, id.String(), m.ID)
		require.Equal(t, !id.IsZero(), m.HasID)
		require.False(t, m.HasRetry)
		if !envelope {
			require.Equal(t, sse.Message{ID: m.ID, HasID: m.HasID, Type: kind, Data: ev.Data.String()}, m)
			return
		}
		require.Equal(t, "message", m.Type)
		var got struct {
			ID, Type, Target, Time string
			Data, Meta             json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(m.Data), &got))
		require.Equal(t, []string{id.String(), kind, name}, []string{got.ID, got.Type, got.Target})
		require.Equal(t, ev.Data.String(), string(got.Data))
		require.Equal(t, ev.Meta.String(), string(got.Meta))
	})
}
