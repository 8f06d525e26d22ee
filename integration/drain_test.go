package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// drained is what became of a reader when its node stopped.
type drained struct {
	text   string        // all that it was sent
	after  time.Duration // from the signal to the end of the stream
	reason string
	told   int64 // reconnect_ms
	failed error
}

// readers opens so many streams. wait returns what became of them once they have ended.
func (n *node) readers(count int) (wait func(since time.Time) []drained) {
	n.t.Helper()
	type end struct {
		at   time.Time
		text []byte
		err  error
	}
	ends := make([]end, count)
	var ready, all sync.WaitGroup
	for i := range count {
		ready.Add(1)
		all.Go(func() { // joined by wait
			conn, body, err := dialStream(n, fmt.Sprintf("user=%d&topic=news", i))
			if ends[i].err = err; err != nil {
				ready.Done()
				return
			}
			defer conn.Close()
			first := make([]byte, 4<<10)
			size, err := io.ReadAtLeast(body, first, len("retry:"))
			ready.Done()
			var rest []byte
			if err == nil {
				rest, err = io.ReadAll(body)
			}
			ends[i] = end{at: time.Now(), text: append(first[:size], rest...), err: err}
		})
	}
	ready.Wait()
	goodbye := regexp.MustCompile(`\n\nretry: (\d+)\nevent: pushstream\.bye\ndata: (.*)\n\n$`)
	return func(since time.Time) []drained {
		all.Wait()
		result := make([]drained, count)
		for i, e := range ends {
			d := &result[i]
			d.text, d.after, d.failed = string(e.text), e.at.Sub(since), e.err
			if m := goodbye.FindStringSubmatch(d.text); m != nil {
				var data struct {
					Reason    string
					Reconnect int64 `json:"reconnect_ms"`
				}
				if err := json.Unmarshal([]byte(m[2]), &data); err == nil && strconv.FormatInt(data.Reconnect, 10) == m[1] {
					d.reason, d.told = data.Reason, data.Reconnect
				}
			}
		}
		return result
	}
}

func (n *node) signal(s os.Signal) time.Time {
	n.t.Helper()
	now := time.Now()
	require.NoError(n.t, n.cmd.Process.Signal(s))
	return now
}

// exitCode waits for the end of the process.
func (n *node) exitCode() int {
	<-n.ended
	return n.cmd.ProcessState.ExitCode()
}

// status returns what a path answers, and 0 where nothing does.
func (n *node) status(path string) int {
	response, err := httpClient.Get(n.URL + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestDrainOfAThousandReaders(t *testing.T) {
	const (
		count  = 1000
		window = 3 * time.Second
		spread = 2 * time.Second // a thousand readers, 500 a second
	)
	n := startNode(t, "--drain-window", window.String(), "--drain-reconnect-rate", "500", "--drain-timeout", "20s")
	wait := n.readers(count)
	require.InDelta(t, count, n.metric("pushstream_connections"), 0)
	signalled := n.signal(syscall.SIGTERM)

	require.Eventually(t, func() bool { return n.status("/readyz") == http.StatusServiceUnavailable }, patience, time.Millisecond)
	require.Less(t, time.Since(signalled), window, "not ready at once")
	require.Equal(t, http.StatusOK, n.status("/livez"))
	requireTurnedAway(t, n)

	readers := wait(signalled)
	require.Zero(t, n.exitCode())
	require.Less(t, time.Since(signalled), 20*time.Second)
	var told, after []float64
	distinct := make(map[int64]bool)
	for i, r := range readers {
		require.NoError(t, r.failed)
		require.Equal(t, "draining", r.reason, "reader %d ended with %q", i, r.text[max(0, len(r.text)-200):])
		require.Less(t, r.told, spread.Milliseconds())
		told, after = append(told, float64(r.told)), append(after, float64(r.after.Milliseconds()))
		distinct[r.told] = true
	}
	// Of 1000 random numbers of 2000, about 790 are different ones.
	require.Greater(t, len(distinct), 500)
	for i, share := range histogram(t, "reconnect_ms", told, float64(spread.Milliseconds())) {
		require.InDelta(t, count/10, share, count/10*0.6, "part %d of the window to come back in", i)
	}
	// The times of goodbyes are measured here, on a machine that may be busy: they come neither at once nor late.
	byes := histogram(t, "goodbye after SIGTERM, ms", after, float64(window.Milliseconds()))
	require.Less(t, slices.Max(byes), count*0.7)
	require.Greater(t, byes[0]+byes[1]+byes[2]+byes[3]+byes[4], count*0.1)
}

// histogram logs how values are spread over 0 to most, and returns how many are in each tenth; what is beyond is in the last.
func histogram(t *testing.T, name string, values []float64, most float64) (shares []float64) {
	t.Helper()
	shares = make([]float64, 10)
	for _, v := range values {
		shares[min(9, int(v/most*10))]++
	}
	slices.Sort(values)
	t.Logf("%s: min %.0f, median %.0f, max %.0f; in tenths of %.0f: %.0f", name, values[0], values[len(values)/2], values[len(values)-1], most, shares)
	return shares
}

// requireTurnedAway checks that a new reader is told to come back, in a way that browsers understand.
func requireTurnedAway(t *testing.T, n *node) {
	t.Helper()
	out := curl(t, "-N", "-i", "-H", "Accept: text/event-stream", n.URL+"/events?user=late")
	head, body, _ := strings.Cut(out, "\r\n\r\n")
	require.Contains(t, head, "HTTP/1.1 200 OK\r\n")
	require.Contains(t, head, "\r\nContent-Type: text/event-stream")
	require.Regexp(t, `^retry: (\d+)\nevent: pushstream\.bye\ndata: \{"reason":"draining","reconnect_ms":\d+\}\n\n$`, body)
}

// Nobody waits, so that the process is over as soon as the last reader is told.
func TestDrainAtOnceTellsEveryReader(t *testing.T) {
	for range 3 {
		n := startNode(t)
		wait := n.readers(1000)
		signalled := n.signal(syscall.SIGTERM)
		for i, r := range wait(signalled) {
			require.NoError(t, r.failed)
			require.Equal(t, "draining", r.reason, "reader %d ended with %q", i, r.text[max(0, len(r.text)-200):])
		}
		require.Zero(t, n.exitCode())
	}
}

func TestSignalsThatStopAtOnce(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"SIGINT":                     {os.Interrupt},
		"a second SIGTERM":           {syscall.SIGTERM, syscall.SIGTERM},
		"SIGINT while it is drained": {syscall.SIGTERM, os.Interrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const long = 5 * time.Minute
			n := startNode(t, "--drain-window", long.String(), "--drain-timeout", (2 * long).String())
			wait := n.readers(5)
			var last time.Time
			for i, s := range signals {
				if i > 0 {
					require.Eventually(t, func() bool { return n.status("/readyz") == http.StatusServiceUnavailable }, patience, time.Millisecond)
					require.Equal(t, http.StatusOK, n.status("/livez"))
				}
				last = n.signal(s)
			}
			require.Zero(t, n.exitCode())
			require.Less(t, time.Since(last), long/10)
			for _, r := range wait(last) {
				require.NoError(t, r.failed)
				require.Contains(t, r.text, "event: pushstream.live\n")
			}
		})
	}
}

// The balancer has time to notice before the first reader is sent away, and new readers are still served until then.
func TestDrainWaitsForTheBalancer(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	n := startNode(t, "--drain-delay", delay.String())
	wait := n.readers(10)
	signalled := n.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { return n.status("/readyz") == http.StatusServiceUnavailable }, patience, time.Millisecond)
	for _, r := range wait(signalled) {
		require.Equal(t, "draining", r.reason, r.text)
		require.GreaterOrEqual(t, r.after, delay)
	}
	require.Zero(t, n.exitCode())
}

// A reader whose socket is full when the node is stopped gets its goodbye all the same, if it reads on.
func TestDrainTellsAReaderThatIsBehind(t *testing.T) {
	t.Parallel()
	const size = 8 << 10
	n := startNode(t)
	conn, body, err := dialStream(n, "topic=news")
	require.NoError(t, err)
	defer conn.Close()
	for range 10 { // 8 MB, more than the sockets hold
		publishBatch(t, httpClient, n, slices.Repeat([]string{fmt.Sprintf(`{"target": "topic:news", "type": "order.created", "data": %q}`, strings.Repeat("x", size))}, 100))
	}
	n.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { return n.status("/readyz") != http.StatusOK }, patience, time.Millisecond)
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Contains(t, string(text[max(0, len(text)-300):]), "\nevent: pushstream.bye\n", "it was sent %d bytes", len(text))
	require.Zero(t, n.exitCode())
}
