package integration_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

const authSecret = "an integration test's secret of more than 32 bytes"

// aliceToken is a token of the user alice, who may read and publish everything.
func aliceToken(t *testing.T, life time.Duration) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": "pushstream", "aud": "pushstream", "sub": "alice", "iat": time.Now().Unix(), "exp": time.Now().Add(life).Unix(),
		"pushstream": map[string]any{"subscribe": []string{"*"}, "publish": []string{"*"}},
	})
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(authSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// Tokens that live for seconds: the stream goes on with a new one each time, by header and by ticket, until the user is
// logged out.
func TestGoClientWhoseTokensExpire(t *testing.T) {
	t.Parallel()
	for name, ticket := range map[string]bool{"header": false, "ticket": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "--auth-secret", authSecret, "--auth-clock-skew", "0s", "--stream-retry", "100ms")
			var issued atomic.Int32
			cfg := client.DefaultConfig()
			cfg.URLs = []string{n.URL}
			cfg.BackoffMin = 20 * time.Millisecond
			cfg.Credential = func(context.Context) (string, error) {
				issued.Add(1)
				return aliceToken(t, 2*time.Second), nil
			}
			c, err := client.New(cfg)
			require.NoError(t, err)
			defer c.Close()
			s := goSubscribe(t, c, client.Subscription{Topics: []string{"news"}, Ticket: ticket})
			published := 0
			require.Eventually(t, func() bool {
				if _, err = c.Publish(t.Context(), client.Publication{Targets: []string{"user:alice"}, Type: "order.created", Data: published}); err == nil {
					published++
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				return err != nil || len(s.opened) >= 3
			}, patience, 20*time.Millisecond)
			require.NoError(t, err)
			s.await("given all", func() bool { return len(s.events) == published })
			require.Equal(t, upTo(published), s.numbers("user:alice"))

			cfg.Credential = client.FixedCredential(aliceToken(t, time.Minute))
			fixed, err := client.New(cfg)
			require.NoError(t, err)
			defer fixed.Close()
			stream, err := fixed.Subscribe(t.Context(), client.Subscription{Ticket: ticket})
			require.NoError(t, err)
			defer stream.Close()
			require.Eventually(t, func() bool { return stream.LastEventID() != "" }, patience, 5*time.Millisecond)
			response, err := httpClient.Post(n.AdminURL+"/admin/logout", "application/json", bytes.NewReader([]byte(`{"user":"alice"}`)))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
			for _, err = range stream.Events() {
				if err != nil {
					break
				}
			}
			require.ErrorIs(t, err, client.ErrRevoked)
			_, err = fixed.Publish(t.Context(), client.Publication{Targets: []string{"user:alice"}, Type: "order.created"})
			require.ErrorIs(t, err, client.ErrRevoked)
		})
	}
}
