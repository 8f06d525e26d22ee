package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/doctor"
)

// With authentication the token says what can be looked at, and it is shown nowhere.
func TestDoctorWithAuthentication(t *testing.T) {
	t.Parallel()
	b := balancerNamed(t, "nginx")
	n := startNode(t, "--auth-secret", authSecret, "--stream-heartbeat", "1s", "--cors-origins", "https://shop.example")
	front := b.start(t, b.read(t), []*node{n})
	token := aliceToken(t, time.Hour)
	withToken := func(cfg *doctor.Config) { cfg.Token = token }

	r := examine(t, front.URL, withToken)
	require.Empty(t, levels(r, doctor.Fault))
	require.False(t, r.Refused)
	require.Equal(t, []string{"tls"}, levels(r, doctor.Skipped))
	f, _ := r.Finding("buffering")
	require.EqualValues(t, 5, f.Figures["events_arrived"], "its topic is one that only it reads")
	f, _ = r.Finding("headers")
	require.Contains(t, f.Measured, "reaches the node: Last-Event-ID, the query, Authorization")
	var text strings.Builder
	require.NoError(t, r.WriteText(&text))
	require.NotContains(t, text.String(), token)

	r = examine(t, front.URL)
	require.Empty(t, levels(r, doctor.Fault), "without a token there is less to see, and no fault")
	require.True(t, r.Refused)
	require.Subset(t, levels(r, doctor.Skipped), []string{"answer", "buffering", "idle", "resume"})

	r = examine(t, front.URL, func(cfg *doctor.Config) { cfg.Token = token[:len(token)-4] })
	require.Contains(t, levels(r, doctor.Fault), "answer")
	require.True(t, r.Refused)

	const host = "proxy_set_header Host $http_host;"
	front = b.start(t, b.read(t), []*node{n}, host, host+` proxy_set_header Authorization "";`)
	r = examine(t, front.URL, withToken)
	require.Contains(t, levels(r, doctor.Fault), "headers")
	require.False(t, r.Refused, "the token is right, and does not reach the node")
	require.Equal(t, []string{"proxy_set_header Authorization $http_authorization;"}, cureFor(t, r, "headers", "nginx"))
}
