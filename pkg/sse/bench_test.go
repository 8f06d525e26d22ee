package sse_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

var payload = `{"order":4711,"note":"` + strings.Repeat("x", 480) + `"}`

func BenchmarkAppendMessage(b *testing.B) {
	m := sse.Message{ID: "a1.1770091506078-3", HasID: true, Type: "order.created", Data: payload}
	block := make([]byte, 0, 1024)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		var err error
		if block, err = sse.AppendMessage(block[:0], m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	to, ev, position := target(b, "topic:orders"), happened(b, "order.created", payload, ""), at(b, "a1.1770091506078-3")
	for name, envelope := range map[string]bool{"plain": false, "envelope": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sse.NewFrame(to, ev, position).Block(envelope)
			}
		})
	}
}

func BenchmarkPing(b *testing.B) {
	position := at(b, "a1.1770091506078-3")
	b.ReportAllocs()
	for b.Loop() {
		sse.Controls{}.Ping(true, position)
	}
}

func BenchmarkDecoder(b *testing.B) {
	block := sse.NewFrame(target(b, "topic:orders"), happened(b, "order.created", payload, ""), at(b, "a1.1770091506078-3")).Block(true)
	d := sse.NewDecoder(1 << 20)
	got := 0
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		got = 0
		if err := d.Feed(block, func(sse.Message) error {
			got++
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	require.Equal(b, 1, got)
}
