package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// receiver takes GitHub's webhook deliveries and publishes each as one event, with the payload as it came. What PushStream
// does not take is answered 502, so that GitHub lists it as failed; delivering it again is safe, since the delivery's id
// is the event's key.
type receiver struct{ secret, pushstream string }

func (rc receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 25<<20)) // GitHub's own limit
	mac := hmac.New(sha256.New, []byte(rc.secret))
	mac.Write(body)
	signature := fmt.Sprintf("sha256=%x", mac.Sum(nil))
	var p payload
	switch {
	case err != nil || !hmac.Equal([]byte(signature), []byte(r.Header.Get("X-Hub-Signature-256"))):
		http.Error(w, "the signature does not fit the body", http.StatusUnauthorized)
	case json.Unmarshal(body, &p) != nil:
		http.Error(w, "the body is not a JSON object", http.StatusBadRequest)
	case len(p.targets()) == 0: // of no repository, and about nobody
	case rc.publish(p, body, r.Header) != nil:
		http.Error(w, "PushStream did not take the event", http.StatusBadGateway)
	}
}

func (rc receiver) publish(p payload, body []byte, delivery http.Header) error {
	event, err := json.Marshal(map[string]any{
		"key":     delivery.Get("X-GitHub-Delivery"),
		"targets": p.targets(),
		"type":    delivery.Get("X-GitHub-Event") + "." + p.action(),
		"data":    json.RawMessage(body),
	})
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 8 * time.Second}                                                 // GitHub waits for 10
	answer, err := client.Post(rc.pushstream+"/events", "application/json", bytes.NewReader(event)) //nolint:noctx // bounded by the timeout
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		err = errors.New(answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}
