package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is wrong with a publish is answered with a problem, and nothing of it is stored.
func TestBadInputWithCurl(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	reader := curlFollow(t, n, "user=alice&topic=news", "")
	cursor := reader.await(2)[0].ID

	large := filepath.Join(t.TempDir(), "large.json")
	require.NoError(t, os.WriteFile(large, fmt.Appendf(nil, `{"target": "user:alice", "type": "order.created", "data": %q}`, strings.Repeat("x", 70_000)), 0o600))
	const contentType = "Content-Type: application/json"
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
		code   string
	}{
		"a target that is none":       {orderEvent("alice", 1), nil, 422, "invalid"},
		"a target with a brace":       {orderEvent("user:a{b}", 1), nil, 422, "invalid"},
		"a line end in a target":      {`{"target": "user:alice\nid: 1", "type": "order.created", "data": 1}`, nil, 422, "invalid"},
		"one bad target of two":       {`{"targets": ["user:alice", "alice"], "type": "order.created", "data": 1}`, nil, 422, "invalid"},
		"no target":                   {`{"type": "order.created", "data": 1}`, nil, 422, "invalid"},
		"a line feed in a type":       {`{"target": "user:alice", "type": "order.created\nid: 1", "data": 1}`, nil, 422, "invalid"},
		"a carriage return, too":      {`{"target": "user:alice", "type": "order.created\rid: 1", "data": 1}`, nil, 422, "invalid"},
		"a reserved type":             {`{"target": "user:alice", "type": "pushstream.gap", "data": 1}`, nil, 422, "invalid"},
		"an unknown field":            {`{"target": "user:alice", "type": "order.created", "data": 1, "ttl": 1}`, nil, 422, "invalid"},
		"too large":                   {"@" + large, nil, 413, "event_too_large"},
		"half of a JSON text":         {`{"target": "user:alice", "type": "order.created"`, nil, 400, "invalid_json"},
		"half of a batch":             {"[" + orderEvent("user:alice", 1), nil, 400, "invalid_json"},
		"what a form sends":           {"target=user:alice", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "content_type"},
		"JSON that claims to be text": {orderEvent("user:alice", 1), []string{"Content-Type: text/plain"}, 415, "content_type"},
		"a foreign host":              {orderEvent("user:alice", 1), []string{contentType, "Host: shop.example"}, 403, "forbidden"},
		"a foreign origin":            {orderEvent("user:alice", 1), []string{contentType, "Origin: https://shop.example"}, 403, "forbidden"},
	} {
		args := []string{n.URL + "/events", "--data-binary", c.body, "-w", "\n%{http_code} %{content_type}"}
		if c.header == nil {
			c.header = []string{contentType}
		}
		for _, h := range c.header {
			args = append(args, "-H", h)
		}
		body, about, _ := strings.Cut(curl(t, args...), "\n\n")
		require.Equal(t, fmt.Sprintf("%d application/problem+json", c.status), about, name)
		var problem struct {
			Title, Detail, Code string
			Status              int
		}
		require.NoError(t, json.Unmarshal([]byte(body), &problem), name)
		require.Equal(t, c.status, problem.Status, name)
		require.Equal(t, c.code, problem.Code, name)
		require.NotEmpty(t, problem.Title, name)
		require.NotEmpty(t, problem.Detail, name)
	}

	batch := "[" + orderEvent("user:alice", 1) + "," + orderEvent("alice", 2) + "," + orderEvent("topic:news", 3) + "]"
	var answer struct {
		Results []struct {
			ID    string
			Error struct {
				Code   string
				Status int
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(curl(t, "--fail", n.URL+"/events", "-H", contentType, "-d", batch)), &answer))
	require.Len(t, answer.Results, 3)
	require.Empty(t, answer.Results[1].ID)
	require.Equal(t, "invalid", answer.Results[1].Error.Code)
	require.Equal(t, 422, answer.Results[1].Error.Status)

	stored := []message{orderBlock(answer.Results[0].ID, 1), orderBlock(answer.Results[2].ID, 3), orderBlock(curlPublish(t, n, "all", 4), 4)}
	require.Equal(t, stored, reader.await(5)[2:], "live")
	require.Equal(t, stored, curlFollow(t, n, "user=alice&topic=news", cursor).awaitLive()[1:4], "from the logs")
}
