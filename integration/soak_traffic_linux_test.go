package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	soakReaders = 200 // steady ones
	soakTopics  = 10
	// soakVisits a second each publish an event and open a stream, three in ten of them a second one.
	soakVisits = 85
	// soakSteady events a second are for steady readers.
	soakSteady = 30
)

// traffic runs for so long, and returns when all have gone.
func (s *soak) traffic(lasts time.Duration) {
	s.round++
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	readers := make([]*steady, soakReaders)
	var reading, visiting, publishing sync.WaitGroup // joined below
	for i := range readers {
		readers[i] = newSteady(s, i)
		reading.Go(func() { readers[i].read(ctx) })
	}
	late := time.After(patience)
	for _, r := range readers {
		select {
		case <-r.live:
		case <-late:
			require.FailNow(s.t, "a steady reader is not live", "%s: %s", r.user, s.verdict())
		}
	}
	began := time.Now()
	end := began.Add(lasts)
	published := map[string]int{}
	publishing.Go(func() { s.publishSteadily(ctx, end, published) })
	publishing.Go(func() {
		soakPace(ctx, end, soakVisits, func(n int) { visiting.Go(func() { s.visit(ctx, n) }) })
	})
	s.sample(began, end)
	publishing.Wait()
	visiting.Wait()
	deadline := time.Now().Add(patience)
	for _, r := range readers {
		r.settle(published, deadline)
	}
	cancel()
	reading.Wait()
	s.http.CloseIdleConnections()
}

// soakPace calls do so often a second, by the clock: what was late is caught up with.
func soakPace(ctx context.Context, end time.Time, perSecond int, do func(n int)) {
	began := time.Now()
	for n := 0; ; n++ {
		at := began.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
		if at.After(end) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(at)):
			do(n)
		}
	}
}

// publishSteadily publishes what steady readers read, one event after the other, each target's with numbers of its own.
func (s *soak) publishSteadily(ctx context.Context, end time.Time, published map[string]int) {
	soakPace(ctx, end, soakSteady, func(n int) {
		target := fmt.Sprintf("user:steady-%d", n%soakReaders)
		switch {
		case n%soakSteady == 0:
			target = "all"
		case n%3 == 0:
			target = fmt.Sprintf("topic:soak-%d", n/3%soakTopics)
		}
		published[target]++
		s.publish(ctx, n, target, published[target])
	})
}

// publish publishes until it is acknowledged.
func (s *soak) publish(ctx context.Context, turn int, target string, n int) {
	body := fmt.Sprintf(`{"target": %q, "type": "soak.event", "key": "%s %d %d", "data": {"to": %q, "n": %d}}`,
		target, target, n, s.round, target, n)
	for ctx.Err() == nil {
		answer, err := s.post(ctx, turn, "/events", keyText(), body)
		if err == nil && strings.HasPrefix(answer, `{"id":"`) {
			s.counts.acknowledged.Add(1)
			return
		}
		s.counts.refused.Add(1)
		if err == nil {
			s.fault("the answer to a publish is %s", answer)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
		turn++
	}
}

// post returns the answer of a node, which has to be a success.
func (s *soak) post(ctx context.Context, turn int, path, credential, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.node(turn).URL+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header = withToken(credential)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = errors.New(response.Status)
	}
	return string(text), err
}

func (s *soak) node(turn int) *node { return s.nodes[turn%len(s.nodes)] }
