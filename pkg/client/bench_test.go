package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

var payload = json.RawMessage(`{"order":4711,"note":"` + strings.Repeat("x", 480) + `"}`)

// roundTrip is a server without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func over(b *testing.B, f roundTrip) *client.Client {
	b.Helper()
	cfg := withURL("http://node.test")
	cfg.HTTPClient = &http.Client{Transport: f}
	c, err := client.New(cfg)
	require.NoError(b, err)
	return c
}

func BenchmarkPublishEncode(b *testing.B) {
	const n = 100
	results := `{"results":[` + strings.TrimSuffix(strings.Repeat(`{"id":"x.1-0"},`, n), ",") + `]}`
	c := over(b, func(r *http.Request) *http.Response {
		_, err := io.Copy(io.Discard, r.Body)
		require.NoError(b, err)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(results)), Request: r}
	})
	events := make([]client.Publication, n)
	for i := range events {
		events[i] = client.Publication{Targets: []string{"topic:orders"}, Type: "order.created", Data: payload, Key: strconv.Itoa(i)}
	}
	b.ReportAllocs()
	b.SetBytes(int64(n * len(payload)))
	for b.Loop() {
		_, err := c.PublishBatch(b.Context(), events)
		require.NoError(b, err)
	}
}

func BenchmarkSubscribeDecode(b *testing.B) {
	for name, form := range map[string]client.Form{"plain": client.FormPlain, "envelope": client.FormEnvelope} {
		b.Run(name, func(b *testing.B) {
			source, sink := io.Pipe()
			go func() { // ends when the stream closes the source
				for i := 0; ; i++ {
					text := fmt.Sprintf("id: x.%d-0\nevent: a.b\ndata: %s\n\n", i, payload)
					if form == client.FormEnvelope {
						text = block(fmt.Sprintf("x.%d-0", i), string(payload))
					}
					if _, err := io.WriteString(sink, text); err != nil {
						return
					}
				}
			}()
			c := over(b, func(r *http.Request) *http.Response {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: source, Request: r}
			})
			stream := subscribe(b, c, client.Subscription{Form: form, Buffer: 100})
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			n := 0
			for _, err := range stream.Events() {
				require.NoError(b, err)
				if n++; !b.Loop() {
					break
				}
			}
		})
	}
}
