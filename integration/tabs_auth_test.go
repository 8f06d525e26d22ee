package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/client"
)

// startWithTokens starts a node with authentication behind nginx, and an application of another origin, which may read from
// it. token answers the application's pages that ask for one.
func startWithTokens(t *testing.T, token http.HandlerFunc) (n *node, tab *tab) {
	t.Helper()
	page := startApplication(t, token)
	n = startNode(t, "--auth-secret", authSecret, "--auth-clock-skew", "0s", "--cors-origins", page)
	nginx := balancers[0].start(t, balancers[0].read(t), []*node{n})
	tab = startBrowser(t).open("alice", "alice", page, map[string]any{"url": nginx.URL + "/events", "token": "/token", "topics": []string{"news"}})
	return n, tab
}

// tokenPublisher publishes at a node with authentication.
func tokenPublisher(t *testing.T, n *node) *client.Client {
	t.Helper()
	cfg := client.DefaultConfig()
	cfg.URLs, cfg.Credential = []string{n.URL}, client.FixedCredential(aliceToken(t, time.Minute))
	c, err := client.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// publishOrder publishes an order for alice.
func publishOrder(t *testing.T, c *client.Client, number int) published {
	t.Helper()
	answer, err := c.Publish(t.Context(), client.Publication{Targets: []string{"user:alice"}, Type: "order.created", Data: map[string]int{"order": number}})
	require.NoError(t, err)
	return orderFor(answer.ID, number)
}

// The application's first token is refused, 401. Its next one is good.
func TestTabWhoseTokenIsRefused(t *testing.T) {
	t.Parallel()
	n, tab := startWithTokens(t, func(w http.ResponseWriter, r *http.Request) {
		life := time.Minute
		if r.FormValue("rejected") == "false" {
			life = -time.Minute
		}
		_, _ = io.WriteString(w, aliceToken(t, life))
	})
	tab.awaitLive(1)
	sent := publishOrder(t, tokenPublisher(t, n), 1)
	tab.awaitEvent(sent.id)
	tab.requireAll([]published{sent})
	var asked []bool
	for _, n := range tab.notes {
		if n.Kind == "token" {
			asked = append(asked, n.Rejected)
		}
	}
	require.Equal(t, []bool{false, true}, asked)
	require.Zero(t, tab.count(func(n note) bool { return n.Kind == "error" }), "nobody has to know")
}

// Tokens live for seconds. The stream goes on with a new one each time, until its reader is logged out.
func TestTabWhoseTokensExpire(t *testing.T) {
	t.Parallel()
	n, tab := startWithTokens(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, aliceToken(t, 5*time.Second)) })
	tab.awaitLive(1)
	c := tokenPublisher(t, n)
	var all []published
	tab.await("live three times", func() bool {
		all = append(all, publishOrder(t, c, len(all)))
		return tab.count(hasLive) >= 3
	})
	tab.awaitEvent(all[len(all)-1].id)
	tab.requireAll(all)
	response, err := httpClient.Post(n.AdminURL+"/admin/logout", "application/json", strings.NewReader(`{"user":"alice"}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	tab.await("closed", func() bool { return tab.count(func(n note) bool { return n.Phase == "closed" }) == 1 })
	require.Equal(t, 1, tab.count(func(n note) bool { return n.Kind == "error" && n.Code == "ended" && !n.Retryable }), fmt.Sprint(tab.notes))
}

// Nobody is signed in. The stream does not try again.
func TestTabWithoutAToken(t *testing.T) {
	t.Parallel()
	_, tab := startWithTokens(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	tab.await("closed", func() bool { return tab.count(func(n note) bool { return n.Phase == "closed" }) == 1 })
	require.Equal(t, 1, tab.count(func(n note) bool {
		return n.Kind == "error" && n.Code == "unauthorized" && n.Status == 0 && !n.Retryable
	}))
	require.Equal(t, 1, tab.count(func(n note) bool { return n.Kind == "token" }))
}
