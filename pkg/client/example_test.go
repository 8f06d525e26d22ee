package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
)

// node stands for a pushstreamd.
func node() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, `{"id":"HUDWRQUW.1795441511651-0"}`)
			return
		}
		open(hello, live, block("HUDWRQUW.1795441511651-0", `{"order":1}`))(w, r)
	}))
}

func ExampleClient_Publish() {
	server := node()
	defer server.Close()

	cfg := client.DefaultConfig()
	cfg.URLs = []string{server.URL}
	cfg.Credential = client.FixedCredential("a-publishers-key-of-at-least-32-characters")
	c, err := client.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result, err := c.Publish(ctx, client.Publication{
		Targets: []string{"user:alice"},
		Type:    "order.created",
		Data:    map[string]int{"order": 1},
		Key:     "order-1-created",
	})
	fmt.Println(result.ID, err)
	// Output: HUDWRQUW.1795441511651-0 <nil>
}

func ExampleClient_Subscribe() {
	server := node()
	defer server.Close()

	cfg := client.DefaultConfig()
	cfg.URLs = []string{server.URL}
	c, err := client.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	stream, err := c.Subscribe(context.Background(), client.Subscription{
		Topics: []string{"news"},
		OnGap:  func(gap client.Gap) { fmt.Println("load again:", gap.Targets) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			fmt.Println("ended:", err)
			break
		}
		fmt.Println(event.Type, event.Target, string(event.Data))
		break // an application goes on
	}
	// Output: a.b topic:news {"order":1}
}
