package httpapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func TestCapOfAUser(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.ConnectionsPerUser = 2 })
	n.live(t, "user=alice")
	second, _ := n.live(t, "user=alice&session=other")
	n.full(t, "too_many_connections_per_user")
	for range 3 {
		n.live(t, "session=alice") // nobody in particular
		n.live(t, "")
	}
	n.live(t, "user=bob")
	second.close()
	require.Eventually(t, func() bool {
		return n.do(t, call{method: http.MethodHead, path: "/events?user=alice"}).status == http.StatusOK
	}, patience, time.Millisecond)
	n.live(t, "user=alice")
	n.do(t, call{method: http.MethodHead, path: "/events?user=alice"}).mustBe(t, http.StatusServiceUnavailable)
}

func (a answer) mustBe(t *testing.T, status int) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
}

// slowBody is a body that has begun and does not end until it is closed.
func (n *node) slowBody(t *testing.T, size int) (end func() answer) {
	t.Helper()
	from, to := io.Pipe()
	r := n.request(t, call{method: http.MethodPost, path: "/events", header: []string{jsonType}})
	r.Body, r.ContentLength = from, -1
	answered := make(chan answer, 1)
	go func() { // joined by end
		response, err := n.client.Do(r)
		if err != nil {
			answered <- answer{body: err.Error()}
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		answered <- answer{response.StatusCode, response.Header, string(text)}
	}()
	_, err := io.WriteString(to, strings.Repeat(" ", size))
	require.NoError(t, err)
	return func() answer {
		_ = to.Close()
		return <-answered
	}
}

// TestBodiesTogetherAreBounded: what is counted has arrived and not been answered, of all publishes together.
func TestBodiesTogetherAreBounded(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.BodiesBytes = s.api.BodyBytes + 30<<10 })
	large := `{"target":"all","type":"a.b","data":1}` + strings.Repeat(" ", 50<<10)
	// Nobody can tell when a body has arrived. The one that comes last is refused, and may be one of the slow ones: then again.
	for isRight, tries := false, 0; !isRight; tries++ {
		require.Less(t, tries, 100)
		first, second := n.slowBody(t, 60<<10), n.slowBody(t, 20<<10)
		refused := n.publish(t, large)
		for more := 0; more < 100 && refused.status != http.StatusServiceUnavailable; more++ {
			refused = n.publish(t, large)
		}
		small := n.publish(t, goodEvent)
		one, two := first(), second()
		if isRight = one.status == http.StatusBadRequest && two.status == http.StatusBadRequest; !isRight {
			continue
		}
		refused.refused(t, http.StatusServiceUnavailable, "too_many_bodies")
		require.Equal(t, "2", refused.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, small.status, "a small one fits in")
	}
	require.GreaterOrEqual(t, n.count(t, "pushstream_publishes_refused_total", "too_many_bodies"), 1.0)
	require.Equal(t, http.StatusOK, n.publish(t, large).status, "what was answered takes nothing")
}

// TestOneBodyIsAlwaysTaken: a bound on all bodies that is less than one of them would refuse the largest for ever.
func TestOneBodyIsAlwaysTaken(t *testing.T) {
	n := newNode(t, func(s *settings) { s.api.BodiesBytes = 1 })
	require.Equal(t, http.StatusOK, n.publish(t, goodEvent+strings.Repeat(" ", 60<<10)).status)
}

// TestPrefixesStayInTheirKind: a grant of names of one kind never reaches those of another.
func TestPrefixesStayInTheirKind(t *testing.T) {
	kinds := []string{"user", "session", "topic"}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringN(1, 40, 200)
		granted, prefix := rapid.SampledFrom(kinds).Draw(r, "granted"), rapid.OneOf(name, nasty()).Draw(r, "prefix")
		grants, err := auth.ParseGrants([]string{granted + ":" + prefix + "*"})
		asked := rapid.SampledFrom(append(kinds, "all")).Draw(r, "asked") + ":" + rapid.SampledFrom([]string{"", prefix, granted + ":" + prefix}).Draw(r, "begin") + name.Draw(r, "rest")
		if asked = strings.TrimPrefix(asked, "all:"); !strings.Contains(asked, ":") {
			asked = "all"
		}
		target, parseErr := event.ParseTarget(asked)
		if err != nil || parseErr != nil {
			return
		}
		want := target.Kind().String() == granted && strings.HasPrefix(target.ID(), prefix)
		require.Equal(r, want, grants.Allow(target), "%q grants %q", grants, asked)
	})
}
